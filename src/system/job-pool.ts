import { SYNC_POINTS, type ProcessGroup } from '../core/process-group.js';
import { answerWith, startThread, type Thread } from './thread.js';

/** A piece of work, which writes a file to its `target`. */
export interface Task {
  readonly target: string;
}

/** Work of threads, found by its name. */
export interface Job<T extends Task> {
  readonly name: string;
  run(task: T): void | Promise<void>;
}

/** Request to a worker. */
interface Request {
  readonly job: string;
  readonly task: Task;
}

/** Threads that run jobs. */
export interface Pool {
  /**
   * Runs a job for each task concurrently.
   * @param onDone called with the index of each finished task
   * @throws UserError of the job; the reason of the signal if it is aborted
   */
  run<T extends Task>(job: Job<T>, tasks: readonly T[], onDone?: (index: number) => void): Promise<void>;
  close(): Promise<void>;
}

/** Concurrent jobs per thread: one that computes, and one that waits for the disk. */
const JOBS_PER_THREAD = 2;

/**
 * Starts a pool of worker threads; aborting `signal` stops them.
 * @param module the threads' module, which calls `runJobs`
 */
export function createPool(module: string, threads: number, signal: AbortSignal): Pool {
  const workers = Array.from({ length: threads }, () => startThread(module, undefined, signal));
  return {
    async run(job, tasks, onDone) {
      let next = 0;
      let isFailed = false;
      const work = async (worker: Thread): Promise<void> => {
        while (next < tasks.length && !isFailed) {
          const index = next++;
          try {
            await worker.ask({ job: job.name, task: tasks[index]! } satisfies Request);
            onDone?.(index);
          } catch (error) {
            isFailed = true;
            throw error;
          }
        }
      };
      await Promise.all(workers.flatMap((worker) => Array.from({ length: JOBS_PER_THREAD }, () => work(worker))));
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}

/** Runs jobs in this thread of a pool: while one waits for the disk, the next one runs. */
export function runJobs(jobs: readonly Job<never>[]): void {
  let last: Promise<unknown> = Promise.resolve();
  answerWith(async (request) => {
    const { job, task } = request as Request;
    const { run } = jobs.find(({ name }) => name === job)!;
    // The pool's types tie job and task together; a message cannot.
    const running = new Promise((resolve) => resolve(run(task as never)));
    // Answers are sent in request order.
    const previous = last;
    last = running.catch(() => undefined);
    await previous;
    await running;
    return { result: undefined };
  });
}

/** Minimum number of tasks per process between two exchanges, for all of its threads. */
const TASKS = 8;

/** Finished tasks of one process as JSON. */
interface Share {
  readonly done: readonly number[];
  readonly hasFailed: boolean;
}

/**
 * Creates a pool that shards tasks over processes, all of which request the same tasks. If any fails, rank 0 runs the
 * remaining ones again in order, so that the error is the error of a single process.
 * @param own the pool of this process
 */
export function createDistributedPool(own: Pool, peers: ProcessGroup): Pool {
  const { rank, size } = peers;
  if (size === 1) return own;
  return {
    async run(job, tasks, onDone) {
      const isDone = new Set<number>();
      const finish = (index: number): void => {
        if (isDone.has(index)) return;
        isDone.add(index);
        onDone?.(index);
      };
      const runThese = (indices: readonly number[]): Promise<void> =>
        own.run(
          job,
          indices.map((index) => tasks[index]!),
          (i) => finish(indices[i]!),
        );
      const exchange = (indices: readonly number[], hasFailed: boolean): boolean => {
        const share: Share = { done: indices.filter((index) => isDone.has(index)), hasFailed };
        // Each process sends its share of this job.
        const shares = peers.allGatherStrings(JSON.stringify(share)).map((text) => JSON.parse(text) as Share);
        shares.forEach(({ done }) => done.forEach(finish));
        return shares.some((each) => each.hasFailed);
      };
      const roundLength = Math.max(Math.ceil(tasks.length / SYNC_POINTS), TASKS * size);
      for (let begin = 0; begin < tasks.length; begin += roundLength) {
        const round = Array.from({ length: Math.min(roundLength, tasks.length - begin) }, (_, i) => begin + i);
        const indices = round.filter((index) => index % size === rank);
        const hasFailed = await runThese(indices).then(
          () => false,
          () => true,
        );
        if (!exchange(indices, hasFailed)) continue;
        const left = round.filter((index) => !isDone.has(index));
        if (rank === 0) await runThese(left);
        exchange(rank === 0 ? left : [], false);
      }
    },
    close: () => own.close(),
  };
}
