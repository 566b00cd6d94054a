import { Worker } from 'node:worker_threads';
import { monotonicMs } from '../../clock.js';
import { instantiate, type Kernels } from './module.js';
import type { Call } from './call-list.js';

/** What a team of workers runs, and on what. */
export interface TeamOptions<List extends string = string> {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly lists: Readonly<Record<List, readonly Call[]>>;
  /** Address of the barrier's words, and of the command's behind them: 16 words in all. */
  readonly barrier: number;
  readonly threads: number;
  /** Multiplications of a row: what decides whether a step is worth sharing. */
  readonly rowWork: number;
  /** Told how long each call of this thread took: for measuring. */
  readonly onCall?: CallObserver | undefined;
}

/** Hears of the calls of a step, one by one. */
export type CallObserver = (kernel: Call['kernel'], elapsedMs: number) => void;

/** Those who run a list together; this thread is the first of them. */
export interface Team<List extends string> {
  /** Runs a list on a batch of so many rows, to its end. */
  run(list: List, rows: number): void;
  end(): void;
}

/** Words of a command, counted from the barrier: its number, the list (-1 ends the worker), the rows; the workers that wait; whether one failed. */
export const COMMAND = { number: 4, list: 5, rows: 6, ready: 7, failed: 8 } as const;
/** Less work than this is done before the others have woken up. */
const MIN_SHARED_WORK = 2_000_000;

/** A list with its kernels looked up, so that a step looks up and allocates nothing. */
export function bind(calls: readonly Call[], kernels: Kernels, onCall?: CallObserver): (rows: number) => void {
  const kernelOf = ({ kernel }: Call): Kernels['barrier'] => (onCall === undefined ? kernels[kernel] : timed(kernel, kernels[kernel], onCall));
  const bound = calls.map((call) => ({ kernel: kernelOf(call), args: [...call.args], rowsAt: call.rowsAt }));
  let boundRows = -1;
  return (rows) => {
    if (rows !== boundRows) for (const { args, rowsAt } of bound) for (const at of rowsAt) args[at] = rows;
    boundRows = rows;
    for (const { kernel, args } of bound) kernel(...args);
  };
}

function timed(name: Call['kernel'], kernel: Kernels['barrier'], onCall: CallObserver): Kernels['barrier'] {
  return (...args) => {
    const startMs = monotonicMs();
    const result = kernel(...args);
    onCall(name, monotonicMs() - startMs);
    return result;
  };
}

/** Starts the workers. Results do not depend on how many there are. */
export function createTeam<List extends string>({ module, memory, lists, barrier, threads, rowWork, onCall }: TeamOptions<List>): Team<List> {
  const kernels = instantiate(module, memory);
  // A command names a list by its place.
  const names = Object.keys(lists) as List[];
  const bound = names.map((name) => bind(lists[name], kernels, onCall));
  const words = new Int32Array(memory.buffer, barrier, 16);
  const workers = Array.from({ length: threads - 1 }, (_, w) => {
    // Workers run what was built, also where this file runs from its source.
    const worker = new Worker(new URL('../../../dist/engines/simd/worker.js', import.meta.url), {
      workerData: { module, memory, lists, barrier, threads, self: w + 1 },
      execArgv: [],
    });
    worker.unref();
    return worker;
  });
  const command = (list: number, rows: number): void => {
    words[COMMAND.list] = list;
    words[COMMAND.rows] = rows;
    Atomics.add(words, COMMAND.number, 1);
    Atomics.notify(words, COMMAND.number);
  };
  return {
    run(name, rows) {
      const list = names.indexOf(name);
      // Until all have started, this thread goes on alone: the results are the same.
      const isShared = threads > 1 && rows * rowWork >= MIN_SHARED_WORK && Atomics.load(words, COMMAND.ready) === threads - 1;
      kernels.join(0, isShared ? threads : 1, barrier);
      if (isShared) command(list, rows);
      bound[list]!(rows);
      if (isShared) kernels.barrier();
    },
    end() {
      if (workers.length > 0) command(-1, 0);
    },
  };
}
