import { readFileSync, readlinkSync } from 'node:fs';
import { systemCode } from '../core/errors.js';

/**
 * PID namespace of the machine itself, the parent of the namespaces of containers (linux/proc_ns.h, PROC_PID_INIT_INO).
 */
const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';

/**
 * Returns the PID namespace of this process, in which process ids are unique. The name of a container's namespace
 * includes the machine's boot id, since other machines may use the same number.
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

/** Returns whether a process with this id exists and, if known, has this identity. */
export function isAlive(pid: number, identity: string | null): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Permission denied: the process exists, but belongs to another user.
    if (systemCode(error) !== 'EPERM') return false;
  }
  const found = processIdentity(pid);
  return identity === null || found === undefined || found === identity;
}

/**
 * Returns an identity that distinguishes processes that reuse an id: boot id and start tick (proc(5): field 22 of
 * `stat`). 'ended' for a zombie; undefined if the system has no /proc.
 */
export function processIdentity(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name in parentheses may contain anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : `${bootId()} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** Returns the boot id of the machine. @throws Error if the system has no /proc */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
