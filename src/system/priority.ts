import { readlinkSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';

/**
 * Lets other processes go first if cores are scarce. If Linux schedules sessions as groups, the priority of a process
 * counts within its session alone, so a process that leads a session passes it on to the session (sched(7), autogroup).
 * The process keeps a tenth of a core beside a busy one; at the lowest priority, it would stand still. A process that
 * has ended, or a system that refuses, is no error.
 */
export function lowerPriority(pid: number): void {
  const nice = constants.priority.PRIORITY_BELOW_NORMAL;
  attempt(() => setPriority(pid, nice));
  attempt(() => writeFileSync(`/proc/${pid}/autogroup`, String(nice)));
}

/**
 * Lets other threads of this process go before the calling one if cores are scarce. Linux has a priority per thread
 * (setpriority(2)); on other systems, nothing changes.
 */
export function lowerThreadPriority(): void {
  attempt(() =>
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_BELOW_NORMAL),
  );
}

/** Nothing but latency depends on a priority. */
function attempt(change: () => void): void {
  try {
    change();
  } catch {
    // The process has ended, or the system refuses.
  }
}
