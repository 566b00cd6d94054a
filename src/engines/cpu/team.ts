import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { UserError, type Problem } from '../../core/errors.js';
import { fewerThreads, RESUME_HINT, openThread, threadError, threadProblem } from '../../system/thread.js';
import type { Apart } from '../state/apart.js';
import { COMMAND, COMMAND_WORDS } from './command.js';
import { NO_EXCHANGES, type Exchanges, type Instance, type OnExchange } from './kernels.js';
import { createRun, setRows, type CallObserver, type PlacedList } from './lists.js';
import type { KernelModule } from './module.js';

/** The lists of a team of workers, and their memory. */
export interface TeamOptions<List extends string = string> extends TeamWatch {
  readonly kernels: KernelModule;
  /** The kernels of this thread. */
  readonly instance: Instance;
  readonly memory: WebAssembly.Memory;
  /** Tables in their own memory. */
  readonly apart?: readonly Apart[];
  readonly lists: Readonly<Record<List, PlacedList>>;
  /** Address of the words of the barrier and then of the command: 16 in total. */
  readonly barrier: number;
  readonly threads: number;
  /** Multiplications per row, by which a step is shared or not. */
  readonly rowWork: number;
  /** Exchanges with other processes, which this thread runs. */
  readonly exchanges?: Exchanges;
}

/** Options of the team of a program: its threads, and hooks for measurements and tests. */
export interface TeamWatch {
  /** Called with the duration of each call of this thread. */
  readonly onCall?: CallObserver;
  /** Called before each exchange with other processes. */
  readonly onExchange?: OnExchange | undefined;
  /** Whether every list is shared, however small, once all workers have started. */
  readonly isPatient?: boolean;
  /** Maximum bytes of tables in the shared memory; default: TABLE_BYTES. */
  readonly tableBytes?: number;
  /** Called if fewer threads than requested could start. */
  readonly onWarning?: (text: string) => void;
  /** Started threads, for this team alone; by default, the team starts its own. */
  readonly started?: Threads | undefined;
}

/** Threads that run a list together; this thread is the first. */
export interface Team<List extends string> {
  /**
   * Runs a list to its end on a batch of `rows` rows.
   * @param items number of items of each sequence
   * @throws UserError (thread) if a worker ended or a kernel aborted: the results are invalid, and later calls fail
   */
  run(list: List, rows: number, items?: readonly number[]): void;
  end(): void;
}

/** Minimum work that is shared: less is done before other threads wake up. */
const MIN_SHARED_WORK = 2_000_000;

/** Task of the threads of a team. */
export type TeamTask = Required<Pick<TeamOptions, 'memory' | 'apart' | 'lists' | 'barrier'>>;

/** Threads of a team whose task may not be known yet: starting them takes longer than compiling a program. */
export interface Threads {
  /**
   * Sends the threads their task, once.
   * @param port receives the reason if one of them ends
   * @param onWarning called if fewer could start
   * @param onEnd called when the guard thread ends, or if it has ended
   */
  run(
    task: TeamTask & { readonly port: MessagePort },
    onWarning: ((text: string) => void) | undefined,
    onEnd: (end: Error | number) => void,
  ): void;
  /** Ends threads without a task. */
  end(): void;
}

/**
 * Starts threads besides this one.
 * @param threads of the team, including this one
 * @throws Error if the guard thread cannot start
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
    // Its workers end with the guard.
    end: () => void guard.terminate(),
  };
}

/** Starts the workers. Results do not depend on how many there are. */
export function createTeam<List extends string>({
  kernels: loaded,
  instance,
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
  const { kernels } = instance;
  const doubles = new Float64Array(memory.buffer);
  // A command identifies a list by its index.
  const names = Object.keys(lists) as List[];
  const runs = names.map((name) => createRun(lists[name], instance, doubles, exchanges, onCall));
  const words = new Int32Array(memory.buffer, barrier, COMMAND_WORDS);
  const { port1: reasons, port2: port } = new MessageChannel();
  const fail = (): void => void Atomics.store(words, COMMAND.failed, 1);
  let problem: Problem | undefined;
  const hear = (end: Error | number): void => {
    // The guard ends if it has no worker.
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
  /** Ends the step for all threads; returns the reason: a worker's end, or the error thrown here. */
  const failure = (error: unknown): UserError => {
    fail();
    // Thrown by an exchange, not by a kernel.
    if (error instanceof UserError) return error;
    const told = receiveMessageOnPort(reasons) as { readonly message: Problem } | undefined;
    problem ??= told?.message ?? {
      message: `the kernels failed during a step: ${error instanceof Error ? error.message : String(error)}`,
      fix: RESUME_HINT,
    };
    return threadError(problem, error);
  };
  const command = (list: number): void => {
    words[COMMAND.list] = list;
    Atomics.add(words, COMMAND.number, 1);
    Atomics.notify(words, COMMAND.number);
  };
  return {
    run(name, rows, items = []) {
      const list = names.indexOf(name);
      const areReady = (): boolean => Atomics.load(words, COMMAND.ready) === Atomics.load(words, COMMAND.threads) - 1;
      while (isPatient && !areReady() && Atomics.load(words, COMMAND.failed) === 0)
        Atomics.wait(words, COMMAND.failed, 0, 1);
      // Until all workers have started, this thread runs alone: the results are the same.
      const isShared = words[COMMAND.threads]! > 1 && (isPatient || rows * rowWork >= MIN_SHARED_WORK) && areReady();
      kernels.join(0, isShared ? words[COMMAND.threads]! : 1, barrier);
      try {
        if (Atomics.load(words, COMMAND.failed) !== 0) throw new Error('a worker has exited');
        setRows(lists[name], doubles, [rows, ...items]);
        if (isShared) command(list);
        runs[list]!();
        if (isShared) {
          kernels.barrier();
          // Between lists, this thread works alone.
          kernels.join(0, 1, barrier);
        }
      } catch (error) {
        throw failure(error);
      }
    },
    end() {
      reasons.close();
      if (threads > 1) command(-1);
    },
  };
}
