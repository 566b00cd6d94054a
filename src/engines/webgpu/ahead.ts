import type { Batch } from '../../core/batch.js';
import type { StepResult, StepSettings } from '../engine.js';
import { POSTS, type Executor } from './executor.js';

/** Steps that were begun before others were looked at. */
export interface StepsAhead {
  /** Begins a step, and hands over the one that was begun before it. The batch may change after. */
  begin(batch: Batch, settings: StepSettings): Promise<StepResult>;
  /** Hands over what was begun, and waits until the results of all steps are there. */
  catchUp(): Promise<void>;
  readonly isIdle: boolean;
  /** Calls once nothing is being read any more. */
  whenRead(then: () => void): void;
}

/** What taking steps ahead asks of a program. */
export interface AheadOptions {
  readonly executor: Executor;
  /** Writes what a step's calls read beside the batch. */
  prepare(settings: StepSettings): void;
  /** What a step found, once the executor has read it. */
  result(): StepResult;
  /** Counts a step as taken; gives how many there were before it. */
  count(): number;
  /** Takes back all steps from one on. */
  goBack(stepsTaken: number): void;
}

interface Step {
  readonly rows: number;
  readonly settings: StepSettings;
  readonly resolve: (result: StepResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Posted extends Step {
  readonly before: number;
  readonly post: number;
}

/**
 * The most steps that may be under way: one whose index lists are made, and those in two groups of which one is read.
 */
export const MAX_AHEAD = 2 * POSTS;

/**
 * Takes steps without waiting for their results, which are read together, many at a time. A step that the device
 * refuses leaves its mark there, by
 * which it refuses those behind it, too: when all are back, what the first of them has moved is put back.
 */
export function createStepsAhead({ executor, prepare, result, count, goBack }: AheadOptions): StepsAhead {
  const { loader } = executor;
  let waiting: Step | undefined;
  let posted: Posted[] = [];
  let group = 0;
  let reads: Promise<void> = Promise.resolve();
  /** Steps that were handed over, and whose results are not there. */
  let underWay = 0;
  let refused: Posted | undefined;

  const read = (): void => {
    const steps = posted;
    const from = group;
    posted = [];
    group = 1 - group;
    const found = executor.readPosts(from, steps.length, (i) => {
      const step = steps[i]!;
      underWay--;
      if (executor.isRefused) refused ??= step;
      step.resolve(result());
    });
    const all = Promise.all([reads, found]).then(() => undefined);
    reads = all.catch((error: unknown) => {
      for (const { reject } of steps) reject(error);
      throw error;
    });
    // Whoever asks for a result, or catches up, hears of it.
    reads.catch(() => undefined);
  };
  /** Tells all that were begun and not read that they will not be. */
  const failing = (step: Step, work: () => void): void => {
    try {
      work();
    } catch (error) {
      for (const each of [...posted.splice(0), step]) each.reject(error);
      throw error;
    }
  };
  const handOver = (step: Step): void =>
    failing(step, () => {
      prepare(step.settings);
      const post = group * POSTS + posted.length;
      executor.post('train', step.rows, post);
      const { rows, settings, resolve, reject } = step;
      posted.push({ rows, settings, resolve, reject, post, before: count() });
      underWay++;
      if (posted.length === POSTS) read();
    });
  /** Finishes the lists of the step that waits, and gives it. */
  const finish = (): Step | undefined => {
    const step = waiting;
    waiting = undefined;
    if (step !== undefined) failing(step, () => loader.finish());
    return step;
  };
  const flush = (): void => {
    const last = finish();
    if (last !== undefined) handOver(last);
    if (posted.length > 0) read();
  };
  const settle = (): void => {
    if (refused === undefined) return;
    executor.bringBack(refused.post);
    goBack(refused.before);
    refused = undefined;
    executor.clearRefused();
  };
  const isIdle = (): boolean => waiting === undefined && underWay === 0;

  return {
    get isIdle() {
      return isIdle();
    },
    begin: (batch, settings) =>
      new Promise((resolve, reject) => {
        if (underWay + (waiting === undefined ? 0 : 1) >= MAX_AHEAD)
          throw new Error(`no more than ${MAX_AHEAD} steps are under way at once`);
        // Whoever begins it has not heard of the refused one yet.
        if (refused !== undefined) {
          flush();
          return resolve(result());
        }
        const before = finish();
        try {
          loader.begin(batch, 0, batch.rows, true);
          waiting = { rows: batch.rows, settings, resolve, reject };
        } finally {
          // While others list its rows, the one before is handed over; also where this one cannot begin.
          if (before !== undefined) handOver(before);
        }
      }),
    async catchUp() {
      flush();
      await reads;
      settle();
    },
    whenRead(then) {
      if (underWay === posted.length) then();
      else void reads.then(then, then);
    },
  };
}
