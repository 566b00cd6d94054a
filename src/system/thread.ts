import { readdirSync, readFileSync } from 'node:fs';
import { parentPort, Worker, type Transferable } from 'node:worker_threads';
import { limitProblem, TOO_MANY_FILES, userError, UserError, type ErrorKind, type Problem } from '../core/errors.js';

/**
 * What a thread answers: a result, or what went wrong. An error keeps nothing but its text on its way between threads.
 */
type Reply =
  | { readonly result: unknown }
  | { readonly kind: ErrorKind; readonly problems: readonly Problem[] }
  | { readonly bug: string };

/** What to do where a thread is gone. */
export const RESUME_HINT =
  'what was saved is whole: go on from there (--resume), with fewer --threads if it comes again, and report it';

/** What to say of a thread that ended by itself, with an error or an exit code. */
export function threadProblem(end: Error | number): Problem {
  const limit = limitProblem(end);
  if (limit !== undefined) return limit;
  // A thread that gets no file for its own events may end without an error.
  if (end === 0 && isShortOfFiles()) return TOO_MANY_FILES;
  const isFull = typeof end !== 'number' && 'code' in end && end.code === 'ERR_WORKER_OUT_OF_MEMORY';
  const reason =
    typeof end === 'number'
      ? `with exit code ${end}`
      : isFull
        ? 'since its memory was full'
        : `by an error: ${end.message}`;
  return { message: `a thread ended before its work was done, ${reason}`, fix: RESUME_HINT };
}

/** Files that a thread may open while it starts. */
const FILES_PER_THREAD = 16;

/** Whether this process may open fewer files than a thread takes, where the system says so. */
function isShortOfFiles(): boolean {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return limit !== undefined && Number(limit) - readdirSync('/proc/self/fd').length < FILES_PER_THREAD;
  } catch (error) {
    return limitProblem(error) !== undefined;
  }
}

/** The error for a thread that is gone: (disk) where that is for a limit on open files, else (thread). */
export function threadError(problem: Problem, cause?: unknown): UserError {
  return userError(problem.message === TOO_MANY_FILES.message ? 'disk' : 'thread', problem, cause);
}

/**
 * What to tell where the system starts no further thread, and those that are there go on.
 * @throws what was thrown, where it is anything else
 */
export function fewerThreads(error: unknown, threads: number): string {
  if (!(error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_INIT_FAILED')) throw error;
  return `no further thread can be started (${error.message}): goes on with ${threads}, and the same results; ${limitProblem(error)?.fix ?? 'allow more (ulimit -u)'}, or take fewer: --threads ${threads}`;
}

/** A thread that answers what it is asked, one request after the other. */
export interface Thread {
  /**
   * @param transfer memory that moves to the thread with the request
   * @throws what the thread throws; UserError (thread) where it is gone; the reason of the signal when that is aborted
   */
  ask(request: unknown, transfer?: readonly Transferable[]): Promise<unknown>;
  close(): Promise<void>;
}

/**
 * Starts a thread that its own code talks with.
 * @param module that it runs, as bin/bundle.js names it
 * @param about what it finds as `workerData`
 * @throws Error where the system starts no further one
 */
export function openThread(module: string, about?: unknown): Worker {
  // Threads run what was built, also where this file runs from its source.
  return new Worker(new URL(`../../dist/threads/${module.replaceAll('/', '-')}.cjs`, import.meta.url), {
    execArgv: [],
    workerData: about,
  });
}

/**
 * Starts a thread that answers what it is asked.
 * @param module that it runs, as bin/bundle.js names it
 * @param about what it finds as `workerData`
 * @param signal aborted to give up what the thread was asked
 */
export function startThread(module: string, about?: unknown, signal?: AbortSignal): Thread {
  const worker = openThread(module, about);
  // Who waits for an answer keeps the process; a thread that is asked nothing does not.
  worker.unref();
  /** Requests without an answer, the oldest first. */
  const asked: { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void }[] = [];
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure ??= error;
    for (const { reject } of asked.splice(0)) reject(failure);
  };
  // Who aborts says why with an error.
  const onAbort = (): void => fail(signal!.reason as Error);
  worker.on('message', (reply: Reply) => {
    const request = asked.shift();
    if (asked.length === 0) worker.unref();
    if ('result' in reply) request?.resolve(reply.result);
    else request?.reject('problems' in reply ? new UserError(reply.kind, reply.problems) : new Error(reply.bug));
  });
  worker.on('error', (error) => fail(threadError(threadProblem(error), error)));
  worker.on('exit', (code) => fail(threadError(threadProblem(code))));
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort);
  return {
    ask: (request, transfer = []) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure);
        worker.ref();
        worker.postMessage(request, transfer);
        asked.push({ resolve, reject });
      }),
    async close() {
      signal?.removeEventListener('abort', onAbort);
      await worker.terminate();
    },
  };
}

/** What a thread makes of a request, and the memory that moves back with it. */
export interface Answer {
  readonly result: unknown;
  readonly transfer?: readonly Transferable[];
}

/** Answers what this thread is asked. */
export function answerWith(handle: (request: unknown) => Answer | Promise<Answer>): void {
  const port = parentPort!;
  const answer = async (request: unknown): Promise<void> => {
    try {
      const { result, transfer = [] } = await handle(request);
      port.postMessage({ result } satisfies Reply, transfer);
    } catch (error) {
      port.postMessage(failed(error));
    }
  };
  port.on('message', (request: unknown) => void answer(request));
}

function failed(error: unknown): Reply {
  if (error instanceof UserError) return { kind: error.kind, problems: error.problems };
  return { bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
