import type { Worker } from 'node:worker_threads';
import { fewerThreads, RESUME_HINT, openThread } from '../../../system/thread.js';
import { userError } from '../../../core/errors.js';
import { createTableLister, type ListShape } from './table-list.js';

/**
 * Words that all threads share: which table of which job comes next (a job's number in the upper half); tables of it
 * that are done; whether a
 * thread gave up; and of each of the two jobs that take turns, how often its memory was another.
 */
export const CONTROL = { next: 0, done: 1, failed: 2, memory: 3 } as const;
const CONTROL_WORDS = 5;
/** In the place of a next table: there is none any more. */
export const END = -1;
const TABLE_BITS = 16;
/** A thread that ended by what nobody can catch finishes no table: so often it is looked whether one did. */
const LOOK_EVERY_MS = 1000;

/** What a thread is started with. */
export interface ListThread {
  readonly shape: ListShape;
  readonly control: SharedArrayBuffer;
  readonly memory: readonly JobMemory[];
}

/** The memory of one of two jobs: the columns of a batch, and what is said and made of them. */
export interface JobMemory {
  readonly columns: SharedArrayBuffer;
  readonly job: SharedArrayBuffer;
}

/** A job's new memory, on its way to a thread. */
export interface NewMemory {
  readonly job: number;
  readonly buffer: SharedArrayBuffer;
}

/** Those who list tables together; this thread is one of them. Lists do not depend on who makes them. */
export interface ListTeam {
  /** Gives a job's words other memory, with nothing in it, while no job is under way. */
  replace(job: number, buffer: SharedArrayBuffer): void;
  /** Begins the tables of one of the two jobs, when the other is finished. */
  begin(which: number): void;
  /**
   * Lists what nobody has begun, and waits for the rest.
   * @throws UserError (thread) where a thread gave up
   */
  finish(): void;
  end(): void;
}

/** Starts a team of `threads` beside this one, or of fewer where no more can start. */
export function createListTeam(
  shape: ListShape,
  memory: readonly [JobMemory, JobMemory],
  threads: number,
  onWarning?: (text: string) => void,
): ListTeam {
  const control = new SharedArrayBuffer(4 * CONTROL_WORDS);
  const words = new Int32Array(control);
  const numTables = shape.tables.length;
  const list = createTableLister(shape);
  const columns = memory.map((each) => new Uint32Array(each.columns));
  const jobs = memory.map(({ job }) => new Uint32Array(job));
  const workers: Worker[] = [];
  words[CONTROL.next] = numTables;
  try {
    // Threads run what was built, also where this file runs from its source.
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
      // Another number than before, odd or even as the job is.
      job = (job + (((job ^ which) & 1) === 0 ? 2 : 1)) & (2 ** (31 - TABLE_BITS) - 1);
      Atomics.store(words, CONTROL.done, 0);
      Atomics.store(words, CONTROL.next, job << TABLE_BITS);
      if (workers.length > 0) Atomics.notify(words, CONTROL.next);
    },
    finish() {
      const which = job & 1;
      for (let next = claim(words, numTables); next !== undefined; next = claim(words, numTables)) {
        list(next.table, columns[which]!, jobs[which]!, jobs[1 - which]!);
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

/**
 * Takes the next table that nobody has taken, and tells which of the two jobs it is of; undefined where there is none.
 */
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
