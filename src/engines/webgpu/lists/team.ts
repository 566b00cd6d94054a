import type { Worker } from 'node:worker_threads';
import { fewerThreads, RESUME_HINT, openThread } from '../../../system/thread.js';
import { userError } from '../../../core/errors.js';
import { TableLister, type ListShape } from './table-list.js';

/**
 * Words that all threads share: the next table, with the job's number in the upper half; the number of tables done;
 * whether a thread failed; and for each of two alternating jobs, how often its memory was replaced.
 */
export const CONTROL = { next: 0, done: 1, failed: 2, memory: 3 } as const;
const CONTROL_WORDS = 5;
/** Value of the next table if there will be no more. */
export const END = -1;
const TABLE_BITS = 16;
/** Interval of checks for threads that ended without an error that can be caught. */
const LOOK_EVERY_MS = 1000;

/** Data that a thread starts with. */
export interface ListThread {
  readonly shape: ListShape;
  readonly control: SharedArrayBuffer;
  readonly memory: readonly JobMemory[];
}

/** The memory of one of two jobs: the columns of a batch, and parameters and lists. */
export interface JobMemory {
  readonly columns: SharedArrayBuffer;
  readonly job: SharedArrayBuffer;
}

/** A message with a job's new memory. */
export interface NewMemory {
  readonly job: number;
  readonly buffer: SharedArrayBuffer;
}

/** Threads that make lists together, with this one. Lists do not depend on the thread that makes them. */
export interface ListTeam {
  /** Replaces a job's memory while no job is running. */
  replace(job: number, buffer: SharedArrayBuffer): void;
  /** Starts the tables of one of the two jobs, once the other is finished. */
  begin(which: number): void;
  /**
   * Lists tables that no thread has taken, and waits for the others.
   * @throws UserError (thread) if a thread failed
   */
  finish(): void;
  end(): void;
}

/** Starts up to `threads` further threads. */
export function createListTeam(
  shape: ListShape,
  memory: readonly [JobMemory, JobMemory],
  threads: number,
  onWarning?: (text: string) => void,
): ListTeam {
  const control = new SharedArrayBuffer(4 * CONTROL_WORDS);
  const words = new Int32Array(control);
  const numTables = shape.tables.length;
  const lister = new TableLister(shape);
  const columns = memory.map((each) => new Uint32Array(each.columns));
  const jobs = memory.map(({ job }) => new Uint32Array(job));
  const workers: Worker[] = [];
  words[CONTROL.next] = numTables;
  try {
    // Threads run the build, even if this file runs from source.
    for (let i = 0; i < threads; i++)
      workers.push(openThread('engines/webgpu/lists/worker', { shape, control, memory } satisfies ListThread));
  } catch (error) {
    onWarning?.(fewerThreads(error, workers.length + 1));
  }
  for (const worker of workers) worker.on('error', () => Atomics.store(words, CONTROL.failed, 1)).unref();
  let job = 0;
  return {
    replace(which, buffer) {
      jobs[which] = new Uint32Array(buffer);
      for (const worker of workers) worker.postMessage({ job: which, buffer } satisfies NewMemory);
      Atomics.add(words, CONTROL.memory + which, 1);
    },
    begin(which) {
      // A new number with the parity of the job.
      job = (job + (((job ^ which) & 1) === 0 ? 2 : 1)) & (2 ** (31 - TABLE_BITS) - 1);
      Atomics.store(words, CONTROL.done, 0);
      Atomics.store(words, CONTROL.next, job << TABLE_BITS);
      if (workers.length > 0) Atomics.notify(words, CONTROL.next);
    },
    finish() {
      const which = job & 1;
      for (let next = claim(words, numTables); next !== undefined; next = claim(words, numTables)) {
        lister.list(next.table, columns[which]!, jobs[which]!, jobs[1 - which]!);
        Atomics.add(words, CONTROL.done, 1);
      }
      for (let done = Atomics.load(words, CONTROL.done); done < numTables; done = Atomics.load(words, CONTROL.done)) {
        Atomics.wait(words, CONTROL.done, done, LOOK_EVERY_MS);
        if (Atomics.load(words, CONTROL.failed) !== 0)
          throw userError('thread', { message: 'a thread that lists the rows of a batch failed', fix: RESUME_HINT });
      }
    },
    end() {
      Atomics.store(words, CONTROL.next, END);
      Atomics.notify(words, CONTROL.next);
    },
  };
}

/** Takes the next table; returns it with its job, or undefined if there is none. */
export function claim(
  words: Int32Array,
  numTables: number,
): { readonly which: number; readonly table: number } | undefined {
  for (;;) {
    const next = Atomics.load(words, CONTROL.next);
    const table = next & (2 ** TABLE_BITS - 1);
    if (next === END || table >= numTables) return undefined;
    if (Atomics.compareExchange(words, CONTROL.next, next, next + 1) === next)
      return { which: (next >> TABLE_BITS) & 1, table };
  }
}
