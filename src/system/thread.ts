import { readdirSync, readFileSync } from 'node:fs';
import { parentPort, Worker, type Transferable } from 'node:worker_threads';
import {
  limitProblem,
  TOO_MANY_FILES,
  userError,
  UserError,
  formatStack,
  type ErrorKind,
  type Problem,
} from '../core/errors.js';
import { awaitTick, createMessageClock, tick, type MessageClock } from './message-clock.js';

/** Reply of a thread: a result or an error, of which only text is transferred between threads. */
type Reply =
  | { readonly result: unknown }
  | { readonly kind: ErrorKind; readonly problems: readonly Problem[] }
  | { readonly bug: string };

/** A message with its number, and in the first one to a thread the clock that counts both ways. */
interface Numbered<Content> {
  readonly content: Content;
  readonly number: number;
  readonly clock?: MessageClock;
}

/** Fix if a thread has failed. */
export const RESUME_HINT =
  'resume from the last checkpoint with --resume; if it fails again, use fewer --threads and report the problem';

/** Returns the problem of a thread that exited on its own, from its error or exit code. */
export function threadProblem(end: Error | number): Problem {
  const limit = limitProblem(end);
  if (limit !== undefined) return limit;
  // A thread without a file descriptor for its event loop may exit without an error.
  if (end === 0 && isShortOfFiles()) return TOO_MANY_FILES;
  const isFull = typeof end !== 'number' && 'code' in end && end.code === 'ERR_WORKER_OUT_OF_MEMORY';
  const reason = typeof end === 'number' ? `exit code ${end}` : isFull ? 'out of memory' : `error: ${end.message}`;
  return { message: `a thread exited before its work was done: ${reason}`, fix: RESUME_HINT };
}

/** File descriptors required to start a thread. */
const FILES_PER_THREAD = 16;

/** Returns whether this process is about to exceed its limit on open files, if the system reports it. */
function isShortOfFiles(): boolean {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return limit !== undefined && Number(limit) - readdirSync('/proc/self/fd').length < FILES_PER_THREAD;
  } catch (error) {
    return limitProblem(error) !== undefined;
  }
}

/** Creates the error of a failed thread: (disk) for a limit on open files, else (thread). */
export function threadError(problem: Problem, cause?: unknown): UserError {
  return userError(problem.message === TOO_MANY_FILES.message ? 'disk' : 'thread', problem, cause);
}

/**
 * Returns the warning that the system cannot start another thread and the existing ones continue.
 * @throws any other error
 */
export function fewerThreads(error: unknown, threads: number): string {
  if (!(error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_INIT_FAILED')) throw error;
  return (
    `cannot start another thread (${error.message}), so ${threads} are used, with the same results; ` +
    `${limitProblem(error)?.fix ?? 'raise the limit (ulimit -u)'}, or use --threads ${threads}`
  );
}

/** A thread that processes requests in order. */
export interface Thread {
  /**
   * @param transfer memory to transfer to the thread
   * @throws what the thread throws; UserError (thread) if it has exited; the reason of the signal if that is aborted
   */
  ask(request: unknown, transfer?: readonly Transferable[]): Promise<unknown>;
  close(): Promise<void>;
}

/**
 * Starts a thread with its own message protocol.
 * @param module the thread's module, as named in bin/bundle.js
 * @param about its `workerData`
 * @throws Error if the system cannot start another thread
 */
export function openThread(module: string, about?: unknown): Worker {
  // Threads run the built module, even if this file runs from source.
  return new Worker(new URL(`../../dist/threads/${module.replaceAll('/', '-')}.cjs`, import.meta.url), {
    execArgv: [],
    workerData: about,
  });
}

/**
 * Starts a thread that processes requests.
 * @param module the thread's module, as named in bin/bundle.js
 * @param about its `workerData`
 * @param signal aborts pending requests
 */
export function startThread(module: string, about?: unknown, signal?: AbortSignal): Thread {
  const worker = openThread(module, about);
  // Only pending requests keep the process alive.
  worker.unref();
  const clock = createMessageClock();
  let isFirst = true;
  /** Pending requests, oldest first. */
  const pending: { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void }[] = [];
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure ??= error;
    for (const { reject } of pending.splice(0)) reject(failure);
  };
  // Aborts carry an error as their reason.
  const onAbort = (): void => fail(signal!.reason as Error);
  worker.on('message', ({ content: reply, number }: Numbered<Reply>) => {
    awaitTick(clock, number);
    const request = pending.shift();
    if (pending.length === 0) worker.unref();
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
        const number = tick(clock);
        const message: Numbered<unknown> = { content: request, number, ...(isFirst && { clock }) };
        worker.postMessage(message, transfer);
        isFirst = false;
        pending.push({ resolve, reject });
      }),
    async close() {
      signal?.removeEventListener('abort', onAbort);
      await worker.terminate();
    },
  };
}

/** Result of a request, and memory to transfer back. */
export interface Answer {
  readonly result: unknown;
  readonly transfer?: readonly Transferable[];
}

/** Processes the requests of this thread. */
export function answerWith(handle: (request: unknown) => Answer | Promise<Answer>): void {
  const port = parentPort!;
  let clock: MessageClock;
  const reply = (content: Reply, transfer: readonly Transferable[] = []): void =>
    port.postMessage({ content, number: tick(clock) } satisfies Numbered<Reply>, transfer);
  const answer = async (request: unknown): Promise<void> => {
    try {
      const { result, transfer } = await handle(request);
      reply({ result }, transfer);
    } catch (error) {
      reply(failed(error));
    }
  };
  port.on('message', ({ content, number, clock: first }: Numbered<unknown>) => {
    clock = first ?? clock;
    awaitTick(clock, number);
    void answer(content);
  });
}

function failed(error: unknown): Reply {
  if (error instanceof UserError) return { kind: error.kind, problems: error.problems };
  return { bug: formatStack(error) };
}
