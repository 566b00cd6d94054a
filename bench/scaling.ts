import { balanceOf, timeCalls } from './balance.js';
import { count, MACHINE, printTable, saveResults } from './results.js';
import { workloadName, type Workload } from './workloads.js';

/** A workload on a number of threads. */
interface Scaled {
  readonly workload: string;
  readonly threads: number;
  /** Undefined for more threads than cores. */
  readonly rowsPerSecond: number | undefined;
  /** Speed relative to the first number of threads. */
  readonly speedup: number | undefined;
  readonly balance: number;
}

/**
 * Prints training speed by number of threads, and the balance of work among as many workers.
 * @param measure returns rows/s
 */
export async function compareThreads(
  works: readonly Workload[],
  counts: readonly number[],
  stepsOf: (work: Workload) => number,
  measure: (work: Workload, threads: number) => Promise<number>,
): Promise<void> {
  const all: Scaled[] = [];
  for (const work of works) {
    const times = await timeCalls(work, Math.min(stepsOf(work), 200));
    let first: number | undefined;
    for (const threads of counts) {
      const rowsPerSecond = threads <= MACHINE.cores ? await measure(work, threads) : undefined;
      first ??= rowsPerSecond;
      all.push({
        workload: workloadName(work),
        threads,
        rowsPerSecond,
        speedup: rowsPerSecond === undefined ? undefined : rowsPerSecond / first!,
        balance: balanceOf(work, times, threads),
      });
    }
  }
  printTable(
    `By number of threads. Rows/s and speedup are measured, up to the ${MACHINE.cores} cores of this machine; ` +
      'balance is simulated, not speed: the mean share of the work / the largest one, between barriers; ' +
      'calls are weighted by their time on one thread',
    all.map(({ workload, threads, rowsPerSecond, speedup, balance }) => ({
      workload,
      threads: String(threads),
      'measured rows/s': rowsPerSecond === undefined ? '-' : count(rowsPerSecond),
      speedup: speedup === undefined ? '-' : speedup.toFixed(2),
      'simulated balance': `${(100 * balance).toFixed(0)}%`,
    })),
  );
  saveResults('scaling', { workloads: all });
}
