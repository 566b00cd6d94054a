import { startThread, type Thread } from '../system/thread.js';
import type { Jobs } from './jobs/all.js';

/** Request to a worker. */
export interface Request {
  readonly job: keyof Jobs;
  readonly args: unknown;
}

/** Threads that run the jobs of `jobs/all.ts`. */
export interface Pool {
  /**
   * Runs a job for each argument concurrently; results are in argument order.
   * @param onDone called with each result; an error that it throws ends the work
   * @throws UserError of the job; the reason of the signal if it is aborted
   */
  run<J extends keyof Jobs>(
    job: J,
    args: readonly Parameters<Jobs[J]>[0][],
    onDone?: (result: Result<J>, index: number) => void,
  ): Promise<Result<J>[]>;
  close(): Promise<void>;
}

/** Concurrent jobs per thread: one that computes, and one that waits for the disk. */
const JOBS_PER_THREAD = 2;

export type Result<J extends keyof Jobs> = Awaited<ReturnType<Jobs[J]>>;

/** Starts a pool of worker threads; aborting `signal` stops them. */
export function createPool(threads: number, signal: AbortSignal): Pool {
  const workers = Array.from({ length: threads }, () => startThread('prepare/worker', undefined, signal));
  return {
    async run<J extends keyof Jobs>(
      job: J,
      args: readonly Parameters<Jobs[J]>[0][],
      onDone?: (result: Result<J>, index: number) => void,
    ) {
      const results: Result<J>[] = [];
      let next = 0;
      let isFailed = false;
      const work = async (worker: Thread): Promise<void> => {
        while (next < args.length && !isFailed) {
          const index = next++;
          try {
            // The job of this name determines the result type.
            const result = (await worker.ask({ job, args: args[index] } satisfies Request)) as Result<J>;
            results[index] = result;
            onDone?.(result, index);
          } catch (error) {
            isFailed = true;
            throw error;
          }
        }
      };
      await Promise.all(workers.flatMap((worker) => Array.from({ length: JOBS_PER_THREAD }, () => work(worker))));
      return results;
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}
