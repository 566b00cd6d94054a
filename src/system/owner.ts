import os from 'node:os';
import { z } from 'zod';
import { wallClockMs } from './clock.js';
import { isAlive, pidNamespace, processIdentity } from './process-identity.js';

/** A process, recorded for others that share its files. */
export const ownerSchema = z.strictObject({
  pid: z.int().min(1),
  host: z.string(),
  /** Namespace of `pid`; null if the system has none. */
  pidNamespace: z.string().nullable().default(null),
  startedAt: z.string(),
  /** Distinguishes processes with the same id, if the system supports it. */
  process: z.string().nullable(),
});
export type Owner = z.output<typeof ownerSchema>;

/** Returns the record of this process, started now. */
export function thisProcess(): Owner {
  const startedAt = new Date(wallClockMs()).toISOString();
  return {
    pid: process.pid,
    host: os.hostname(),
    pidNamespace: pidNamespace(),
    startedAt,
    process: processIdentity(process.pid) ?? null,
  };
}

/** Returns whether a process has exited; undefined for another machine or PID namespace. */
export function hasExited(owner: Owner): boolean | undefined {
  if (owner.host !== os.hostname() || isInAnotherNamespace(owner)) return undefined;
  return startedBeforeBoot(owner) || !isAlive(owner.pid, owner.process);
}

/** Tolerance of the boot time, which is the difference of two clocks. */
const BOOT_TOLERANCE_MS = 60_000;

/** Without an identity, another process may have the id of one that ended with the last shutdown. */
function startedBeforeBoot({ process: identity, startedAt }: Owner): boolean {
  const bootedMs = wallClockMs() - os.uptime() * 1000;
  return identity === null && Date.parse(startedAt) < bootedMs - BOOT_TOLERANCE_MS;
}

/** Returns whether a process of this host is in another PID namespace, such as another container. */
export function isInAnotherNamespace({ host, pidNamespace: namespace }: Owner): boolean {
  const own = pidNamespace();
  return host === os.hostname() && namespace !== null && own !== null && namespace !== own;
}
