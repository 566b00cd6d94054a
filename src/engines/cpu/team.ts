import { MessageChannel, receiveMessageOnPort, type MessagePort, type Worker } from 'node:worker_threads';
import { UserError, type Problem } from '../../core/errors.js';
import { fewerThreads, RESUME_HINT, openThread, threadError, threadProblem } from '../../system/thread.js';
import type { ExternalTable } from '../state/external-tables.js';
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
  readonly external?: readonly ExternalTable[];
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

/** Minimum work that is shared: less is done before other threads wake up. */
const MIN_SHARED_WORK = 2_000_000;

/** Task of the threads of a team. */
export type TeamTask = Required<Pick<TeamOptions, 'memory' | 'external' | 'lists' | 'barrier'>>;

/** Threads besides this one, whose task may not be known yet: starting them takes longer than compiling a program. */
export class Threads {
  readonly #guard: Worker;
  readonly #ends: (Error | number)[] = [];
  #hear = (end: Error | number): void => void this.#ends.push(end);

  /**
   * Starts the threads.
   * @param threads of the team, including this one
   * @throws Error if the guard thread cannot start
   */
  constructor(kernels: KernelModule, threads: number) {
    this.#guard = openThread('engines/cpu/guard', { kernels, threads })
      .on('error', (error: Error) => this.#hear(error))
      .on('exit', (code) => this.#hear(code));
    this.#guard.unref();
  }

  /**
   * Sends the threads their task, once.
   * @param task with a port that receives the reason if one of them ends
   * @param onEnd called when the guard thread ends, or if it has ended
   * @param onWarning called if fewer could start
   */
  run(
    task: TeamTask & { readonly port: MessagePort },
    onEnd: (end: Error | number) => void,
    onWarning: TeamWatch['onWarning'],
  ): void {
    this.#guard.on('message', (notice: string) => onWarning?.(notice)).unref();
    this.#hear = onEnd;
    for (const end of this.#ends) onEnd(end);
    this.#guard.postMessage(task, [task.port]);
  }

  /** Ends threads without a task: the workers end with the guard. */
  end(): void {
    void this.#guard.terminate();
  }
}

/** Threads that run a list together; this thread is the first. Results do not depend on how many there are. */
export class Team<List extends string> {
  readonly #options: TeamOptions<List>;
  readonly #doubles: Float64Array;
  /** A command identifies a list by its index. */
  readonly #names: readonly List[];
  readonly #runs: readonly (() => void)[];
  readonly #words: Int32Array;
  /** Receives the reason if a worker ends. */
  readonly #reasons: MessagePort;
  #problem: Problem | undefined;

  constructor(options: TeamOptions<List>) {
    const { kernels, instance, memory, external = [], lists, barrier, threads } = options;
    const { exchanges = NO_EXCHANGES, onCall, onWarning, started } = options;
    this.#options = options;
    this.#doubles = new Float64Array(memory.buffer);
    this.#names = Object.keys(lists) as List[];
    this.#runs = this.#names.map((name) => createRun(lists[name], instance, this.#doubles, exchanges, onCall));
    this.#words = new Int32Array(memory.buffer, barrier, COMMAND_WORDS);
    const { port1, port2: port } = new MessageChannel();
    this.#reasons = port1;
    this.#words[COMMAND.threads] = threads;
    if (threads === 1) return;
    try {
      const task = { memory, external, lists, barrier, port };
      (started ?? new Threads(kernels, threads)).run(task, (end) => this.#hear(end), onWarning);
    } catch (error) {
      onWarning?.(fewerThreads(error, 1));
      this.#words[COMMAND.threads] = 1;
    }
  }

  /**
   * Runs a list to its end on a batch of `rows` rows.
   * @param items number of items of each sequence
   * @throws UserError (thread) if a worker ended or a kernel aborted: the results are invalid, and later calls fail
   */
  run(name: List, rows: number, items: readonly number[] = []): void {
    const { instance, lists, barrier } = this.#options;
    const { kernels } = instance;
    const list = this.#names.indexOf(name);
    const isShared = this.#isShared(rows);
    kernels.join(0, isShared ? this.#words[COMMAND.threads]! : 1, barrier);
    try {
      if (this.#hasFailed) throw new Error('a worker has exited');
      setRows(lists[name], this.#doubles, [rows, ...items]);
      if (isShared) this.#command(list);
      this.#runs[list]!();
      if (isShared) {
        kernels.barrier();
        // Between lists, this thread works alone.
        kernels.join(0, 1, barrier);
      }
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /**
   * Runs kernels on this thread alone.
   * @throws as `run`
   */
  runAlone(work: (kernels: Instance['kernels']) => void): void {
    const { instance, barrier } = this.#options;
    instance.kernels.join(0, 1, barrier);
    try {
      if (this.#hasFailed) throw new Error('a worker has exited');
      work(instance.kernels);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  end(): void {
    this.#reasons.close();
    if (this.#options.threads > 1) this.#command(-1);
  }

  /** Returns whether workers share a list. Until all have started, this thread runs alone: the results are the same. */
  #isShared(rows: number): boolean {
    const { rowWork, isPatient = false } = this.#options;
    const words = this.#words;
    const areReady = (): boolean => Atomics.load(words, COMMAND.ready) === Atomics.load(words, COMMAND.threads) - 1;
    while (isPatient && !areReady() && !this.#hasFailed) Atomics.wait(words, COMMAND.failed, 0, 1);
    return words[COMMAND.threads]! > 1 && (isPatient || rows * rowWork >= MIN_SHARED_WORK) && areReady();
  }

  #command(list: number): void {
    this.#words[COMMAND.list] = list;
    Atomics.add(this.#words, COMMAND.number, 1);
    Atomics.notify(this.#words, COMMAND.number);
  }

  get #hasFailed(): boolean {
    return Atomics.load(this.#words, COMMAND.failed) !== 0;
  }

  /** Handles the end of the guard thread, which ends if it has no worker. */
  #hear(end: Error | number): void {
    const words = this.#words;
    if (end === 0 && (Atomics.load(words, COMMAND.list) < 0 || Atomics.load(words, COMMAND.threads) === 1)) return;
    this.#problem ??= threadProblem(end);
    Atomics.store(words, COMMAND.failed, 1);
  }

  /** Ends the step for all threads; returns the reason: a worker's end, or the error thrown here. */
  #failure(error: unknown): UserError {
    Atomics.store(this.#words, COMMAND.failed, 1);
    // Thrown by an exchange, not by a kernel.
    if (error instanceof UserError) return error;
    const told = receiveMessageOnPort(this.#reasons) as { readonly message: Problem } | undefined;
    this.#problem ??= told?.message ?? {
      message: `the kernels failed during a step: ${error instanceof Error ? error.message : String(error)}`,
      fix: RESUME_HINT,
    };
    return threadError(this.#problem, error);
  }
}
