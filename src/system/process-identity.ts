import { readFileSync, readlinkSync } from 'node:fs';
import { systemCode } from '../core/errors.js';

/**
 * The PID namespace of a machine itself, under which those of its containers are (linux/proc_ns.h, PROC_PID_INIT_INO).
 */
const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';

/**
 * Names the PID namespace of this process: process ids mean something within it alone. The name of a container's has
 * the boot of the machine,
 * since another machine may give the same number.
 * @returns null if the system has no PID namespaces
 */
export function pidNamespace(): string | null {
  try {
    const namespace = readlinkSync('/proc/self/ns/pid');
    return namespace === INITIAL_PID_NAMESPACE ? namespace : `${namespace} ${bootId()}`;
  } catch {
    return null;
  }
}

/**
 * Reports whether the process that has this id exists and, where its identity is known and the system tells, is the
 * same one.
 */
export function isAlive(pid: number, identity: string | null): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Not allowed to signal it: it exists, and is another user's.
    if (systemCode(error) !== 'EPERM') return false;
  }
  const found = processIdentity(pid);
  return identity === null || found === undefined || found === identity;
}

/**
 * Distinguishes processes that have the same id one after the other: the boot of the machine and the tick at which the
 * process started, where
 * the system has them in /proc (proc(5): field 22 of `stat`). A process that has ended and waits for its parent is
 * 'ended'.
 */
export function processIdentity(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the command, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : `${bootId()} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** Names the boot of the machine. @throws Error if the system has no /proc */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
