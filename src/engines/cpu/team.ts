import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { monotonicMs } from '../../system/clock.js';
import { UserError, type Problem } from '../../core/errors.js';
import { fewerThreads, RESUME_HINT, openThread, threadError, threadProblem } from '../../system/thread.js';
import type { Call } from '../compile/call-list.js';
import type { Apart } from '../state/apart.js';
import type { BoundCall } from './bind.js';
import { COMMAND, COMMAND_WORDS } from './command.js';
import type { Exchanged, Exchanges, Kernels } from './kernels.js';
import { instantiate, type KernelModule } from './module.js';

/** What a team of workers runs, and on what. */
export interface TeamOptions<List extends string = string> extends TeamWatch {
  readonly kernels: KernelModule;
  readonly memory: WebAssembly.Memory;
  /** Tables in memory of their own. */
  readonly apart?: readonly Apart[];
  readonly lists: Readonly<Record<List, readonly BoundCall[]>>;
  /** Address of the barrier's words, and of the command's behind them: 16 words in all. */
  readonly barrier: number;
  readonly threads: number;
  /** Multiplications of a row: what decides whether a step is worth sharing. */
  readonly rowWork: number;
  /** What this thread does for all others. */
  readonly exchanges?: Exchanges;
}

/**
 * What whoever compiles a program may say of its team: threads that it has, and what is for measuring and for tests.
 */
export interface TeamWatch {
  /** Told how long each call of this thread took. */
  readonly onCall?: CallObserver;
  /** Told what is exchanged next with other processes. */
  readonly onExchange?: ((what: Exchanged) => void) | undefined;
  /** Whether every list is shared, however small, once all workers are there. */
  readonly isPatient?: boolean;
  /** The most bytes of tables that lie in the one memory, where it is not as usual. */
  readonly tableBytes?: number;
  /** Told where fewer threads could start than were asked for. */
  readonly onWarning?: (text: string) => void;
  /** Threads that have been started, for this team alone; it starts its own where they are left out. */
  readonly started?: Threads | undefined;
}

/** Hears of the calls of a step, one by one. */
export type CallObserver = (kernel: Call['kernel'], elapsedMs: number) => void;

/** Those who run a list together; this thread is the first of them. */
export interface Team<List extends string> {
  /**
   * Runs a list on a batch of so many rows, and items of each sequence, to its end.
   * @throws UserError (thread) where a worker ended, or a kernel gave up: what the list writes is spoiled, and nothing
   * runs any more
   */
  run(list: List, rows: number, items?: readonly number[]): void;
  end(): void;
}

/** Less work than this is done before the others have woken up. */
const MIN_SHARED_WORK = 2_000_000;

/** A list with its kernels looked up, so that a step looks up and allocates nothing. */
export function bind(
  calls: readonly BoundCall[],
  kernels: Kernels & Exchanges,
  onCall?: CallObserver,
): (rows: ArrayLike<number>) => void {
  const kernelOf = ({ kernel }: BoundCall): Bound =>
    onCall === undefined ? kernels[kernel] : timed(kernel, kernels[kernel], onCall);
  const bound = calls.map((call) => ({ kernel: kernelOf(call), args: [...call.args], rowsAt: call.rowsAt }));
  const boundRows: number[] = [];
  return (rows) => {
    let isNew = false;
    for (let d = 0; d < rows.length; d++) {
      isNew ||= boundRows[d] !== rows[d];
      boundRows[d] = rows[d]!;
    }
    if (isNew)
      for (const { args, rowsAt } of bound) for (const { argument, domain } of rowsAt) args[argument] = rows[domain]!;
    for (const { kernel, args } of bound) kernel(...args);
  };
}

type Bound = (...args: number[]) => unknown;

/** What a list without other processes never calls, and what other threads leave to the first. */
export const NO_EXCHANGES: Exchanges = {
  together: () => undefined,
  gather: () => undefined,
  beginSum: () => undefined,
  goOn: () => undefined,
};

function timed(name: Call['kernel'], kernel: Bound, onCall: CallObserver): Bound {
  return (...args) => {
    const startMs = monotonicMs();
    const result = kernel(...args);
    onCall(name, monotonicMs() - startMs);
    return result;
  };
}

/** What threads of a team are told when there is something to run. */
export type TeamTask = Required<Pick<TeamOptions, 'memory' | 'apart' | 'lists' | 'barrier'>>;

/** Threads of a team that may not know yet what they will run: starting them takes longer than compiling a program. */
export interface Threads {
  /**
   * Tells them what to run, once.
   * @param port told why, where one of them ends
   * @param onWarning told where fewer could start
   * @param onEnd told where the thread that watches them ends, also where it has
   */
  run(
    task: TeamTask & { readonly port: MessagePort },
    onWarning: ((text: string) => void) | undefined,
    onEnd: (end: Error | number) => void,
  ): void;
  /** Ends those that were told nothing. */
  end(): void;
}

/**
 * Starts threads beside this one.
 * @param threads of the team, with this one
 * @throws Error where the one that watches them cannot start
 */
export function startThreads(kernels: KernelModule, threads: number): Threads {
  const guard = openThread('engines/cpu/guard', { kernels, threads });
  const ends: (Error | number)[] = [];
  let hear = (end: Error | number): void => void ends.push(end);
  guard
    .on('error', (error: Error) => hear(error))
    .on('exit', (code) => hear(code))
    .unref();
  return {
    run(task, onWarning, onEnd) {
      guard.on('message', (notice: string) => onWarning?.(notice)).unref();
      hear = onEnd;
      for (const end of ends) onEnd(end);
      guard.postMessage(task, [task.port]);
    },
    // Its workers end with it.
    end: () => void guard.terminate(),
  };
}

/** Starts the workers. Results do not depend on how many there are. */
export function createTeam<List extends string>({
  kernels: loaded,
  memory,
  apart = [],
  lists,
  barrier,
  threads,
  rowWork,
  exchanges = NO_EXCHANGES,
  onCall,
  isPatient = false,
  onWarning,
  started,
}: TeamOptions<List>): Team<List> {
  const kernels = { ...instantiate(loaded, memory, apart), ...exchanges };
  // A command names a list by its place.
  const names = Object.keys(lists) as List[];
  const bound = names.map((name) => bind(lists[name], kernels, onCall));
  const words = new Int32Array(memory.buffer, barrier, COMMAND_WORDS);
  const { port1: reasons, port2: port } = new MessageChannel();
  const fail = (): void => void Atomics.store(words, COMMAND.failed, 1);
  let problem: Problem | undefined;
  const hear = (end: Error | number): void => {
    // It ends where it has nobody to watch.
    if (end === 0 && (Atomics.load(words, COMMAND.list) < 0 || Atomics.load(words, COMMAND.threads) === 1)) return;
    problem ??= threadProblem(end);
    fail();
  };
  words[COMMAND.threads] = threads;
  try {
    if (threads > 1)
      (started ?? startThreads(loaded, threads)).run({ memory, apart, lists, barrier, port }, onWarning, hear);
  } catch (error) {
    onWarning?.(fewerThreads(error, 1));
    words[COMMAND.threads] = 1;
  }
  /** Ends the step for all, and says why: a worker's end, or what was thrown here. */
  const failure = (error: unknown): UserError => {
    fail();
    // Another process, and no kernel.
    if (error instanceof UserError) return error;
    const told = receiveMessageOnPort(reasons) as { readonly message: Problem } | undefined;
    problem ??= told?.message ?? {
      message: `the kernels failed during a step: ${error instanceof Error ? error.message : String(error)}`,
      fix: RESUME_HINT,
    };
    return threadError(problem, error);
  };
  const command = (list: number, counts: readonly number[]): void => {
    words[COMMAND.list] = list;
    words.set(counts, COMMAND.rows);
    Atomics.add(words, COMMAND.number, 1);
    Atomics.notify(words, COMMAND.number);
  };
  return {
    run(name, rows, items = []) {
      const list = names.indexOf(name);
      const counts = [rows, ...items];
      const areReady = (): boolean => Atomics.load(words, COMMAND.ready) === Atomics.load(words, COMMAND.threads) - 1;
      while (isPatient && !areReady() && Atomics.load(words, COMMAND.failed) === 0)
        Atomics.wait(words, COMMAND.failed, 0, 1);
      // Until all have started, this thread goes on alone: the results are the same.
      const isShared = words[COMMAND.threads]! > 1 && (isPatient || rows * rowWork >= MIN_SHARED_WORK) && areReady();
      kernels.join(0, isShared ? words[COMMAND.threads]! : 1, barrier);
      try {
        if (Atomics.load(words, COMMAND.failed) !== 0) throw new Error('a worker has exited');
        if (isShared) command(list, counts);
        bound[list]!(counts);
        if (isShared) kernels.barrier();
      } catch (error) {
        throw failure(error);
      }
    },
    end() {
      reasons.close();
      if (threads > 1) command(-1, []);
    },
  };
}
