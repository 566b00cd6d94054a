import { readFileSync } from 'node:fs';
import os from 'node:os';
import { z } from 'zod';
import { wallClockMs } from '../clock.js';
import { systemCode } from '../errors.js';

/** A process, as it is written down for others that share its files. */
export const ownerSchema = z.strictObject({
  pid: z.int().min(1),
  host: z.string(),
  startedAt: z.string(),
  /** Tells two processes of one number apart, where the system tells. */
  process: z.string().nullable(),
});
export type Owner = z.output<typeof ownerSchema>;

/** This process, from now on. */
export function thisProcess(): Owner {
  return { pid: process.pid, host: os.hostname(), startedAt: new Date(wallClockMs()).toISOString(), process: identityOf(process.pid) ?? null };
}

/** Whether a process has ended; undefined for one of another machine, of which nobody here can tell. */
export function hasEnded({ pid, host, process: identity }: Owner): boolean | undefined {
  return host === os.hostname() ? !isAlive(pid, identity) : undefined;
}

/** Whether the process that has this number is there, and is the one that is meant. */
function isAlive(pid: number, identity: string | null): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Not allowed to signal it: it is there, and another user's.
    if (systemCode(error) !== 'EPERM') return false;
  }
  const found = identityOf(pid);
  return identity === null || found === undefined || found === identity;
}

/**
 * What a process can be told by beside its number: the boot of the machine and the tick at which it started, where the system
 * has them in /proc (proc(5): field 22 of `stat`). A process that has ended and waits for its parent is 'ended'.
 */
function identityOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the command, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : `${boot} ${fields[19]}`;
  } catch {
    return undefined;
  }
}
