import { Worker } from 'node:worker_threads';
import { UserError, type ErrorKind, type Problem } from '../errors.js';
import type { Jobs } from './jobs/all.js';

/** What a worker is asked. */
export interface Request {
  readonly job: keyof Jobs;
  readonly args: unknown;
}

/** What a worker answers: a result, or what went wrong. An error keeps nothing but its text on its way between threads. */
export type Reply = { readonly result: unknown } | { readonly kind: ErrorKind; readonly problems: readonly Problem[] } | { readonly bug: string };

/** Threads that do the jobs of `jobs/all.ts`. */
export interface Pool {
  /**
   * Does a job for each of the arguments, several at a time; the order of the results is that of the arguments.
   * @param onDone told of each result as it comes; what it throws ends the work
   * @throws UserError of the job; the reason of the signal when it is aborted
   */
  run<J extends keyof Jobs>(job: J, args: readonly Parameters<Jobs[J]>[0][], onDone?: (result: Result<J>, index: number) => void): Promise<Result<J>[]>;
  close(): Promise<void>;
}

type Result<J extends keyof Jobs> = Awaited<ReturnType<Jobs[J]>>;

/** Starts the threads. */
export function createPool(threads: number, signal: AbortSignal): Pool {
  // Workers run what was built, also where this file runs from its source.
  const workers = Array.from({ length: threads }, () => new Worker(new URL('../../dist/prepare/worker.js', import.meta.url), { execArgv: [] }));
  return {
    async run<J extends keyof Jobs>(job: J, args: readonly Parameters<Jobs[J]>[0][], onDone?: (result: Result<J>, index: number) => void) {
      const results: Result<J>[] = [];
      let next = 0;
      let isFailed = false;
      const work = async (worker: Worker): Promise<void> => {
        while (next < args.length && !isFailed) {
          const index = next++;
          try {
            // What comes back is what the job of this name returns.
            const result = (await ask(worker, { job, args: args[index] }, signal)) as Result<J>;
            results[index] = result;
            onDone?.(result, index);
          } catch (error) {
            isFailed = true;
            throw error;
          }
        }
      };
      await Promise.all(workers.map(work));
      return results;
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function ask(worker: Worker, request: Request, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onMessage = (reply: Reply): void => {
      release();
      if ('result' in reply) resolve(reply.result);
      else reject('problems' in reply ? new UserError(reply.kind, reply.problems) : new Error(reply.bug));
    };
    const fail = (error: Error): void => {
      release();
      reject(error);
    };
    const onExit = (code: number): void => fail(new Error(`a worker ended with ${code}`));
    const onAbort = (): void => fail(reasonOf(signal));
    const release = (): void => {
      worker.off('message', onMessage).off('error', fail).off('exit', onExit);
      signal.removeEventListener('abort', onAbort);
    };
    if (signal.aborted) {
      reject(reasonOf(signal));
      return;
    }
    worker.on('message', onMessage).on('error', fail).on('exit', onExit);
    signal.addEventListener('abort', onAbort);
    worker.postMessage(request);
  });
}

/** Why the work is given up: who aborts says so with an error. */
function reasonOf(signal: AbortSignal): Error {
  return signal.reason as Error;
}
