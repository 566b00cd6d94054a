import { writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/**
 * Lets other processes go first if cores are scarce. If Linux schedules sessions as groups, the priority of a process
 * counts within its session alone, so a process that leads a session passes it on to the session (sched(7), autogroup).
 * A process that has ended, or a system that refuses, is no error.
 */
export function lowerPriority(pid: number): void {
  const nice = constants.priority.PRIORITY_LOW;
  for (const lower of [() => setPriority(pid, nice), () => writeFileSync(`/proc/${pid}/autogroup`, String(nice))])
    try {
      lower();
    } catch {
      // Nothing depends on it but latency.
    }
}
