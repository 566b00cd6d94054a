import os from 'node:os';
import { z } from 'zod';
import { wallClockMs } from './clock.js';
import { isAlive, pidNamespace, processIdentity } from './process-identity.js';

/** A process, as it is written down for others that share its files. */
export const ownerSchema = z.strictObject({
  pid: z.int().min(1),
  host: z.string(),
  /** In which `pid` counts; null if the system has none. */
  pidNamespace: z.string().nullable().default(null),
  startedAt: z.string(),
  /** Tells two processes of one number apart, where the system tells. */
  process: z.string().nullable(),
});
export type Owner = z.output<typeof ownerSchema>;

/** This process, from now on. */
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

/**
 * Reports whether a process has ended; undefined for one of another machine or another PID namespace, which cannot be
 * looked for by its id.
 */
export function hasExited(owner: Owner): boolean | undefined {
  if (owner.host !== os.hostname() || isInAnotherNamespace(owner)) return undefined;
  return !isAlive(owner.pid, owner.process);
}

/** Reports whether a process of this host's name runs where its id means nothing here, as in another container. */
export function isInAnotherNamespace({ host, pidNamespace: namespace }: Owner): boolean {
  const own = pidNamespace();
  return host === os.hostname() && namespace !== null && own !== null && namespace !== own;
}
