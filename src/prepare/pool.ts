import { startThread, type Thread } from '../system/thread.js';
import type { Jobs } from './jobs/all.js';

/** What a worker is asked. */
export interface Request {
  readonly job: keyof Jobs;
  readonly args: unknown;
}

/** Threads that do the jobs of `jobs/all.ts`. */
export interface Pool {
  /**
   * Does a job for each of the arguments, several at a time; the order of the results is that of the arguments.
   * @param onDone told of each result as it comes; what it throws ends the work
   * @throws UserError of the job; the reason of the signal when it is aborted
   */
  run<J extends keyof Jobs>(
    job: J,
    args: readonly Parameters<Jobs[J]>[0][],
    onDone?: (result: Result<J>, index: number) => void,
  ): Promise<Result<J>[]>;
  close(): Promise<void>;
}

/** Jobs that a thread has at a time: one that is at work, and one whose file the disk is about to have. */
const JOBS_PER_THREAD = 2;

/** What a job returns. */
export type Result<J extends keyof Jobs> = Awaited<ReturnType<Jobs[J]>>;

/** Starts the threads. */
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
            // What comes back is what the job of this name returns.
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
