import type { Batch } from '../../core/batch.js';
import type { StepResult, StepSettings } from '../engine.js';
import type { Executor } from './executor.js';
import { POSTS } from './posts.js';

/** Steps that begin before the results of others are read. */
export interface StepPipeline {
  /** Begins a step, and submits the one that was begun before it. The batch may change afterwards. */
  begin(batch: Batch, settings: StepSettings): Promise<StepResult>;
  /** Submits the step that was begun, if it was not yet. */
  submitBegun(): void;
  /** Submits what was begun, and waits for the results of all steps. */
  catchUp(): Promise<void>;
  readonly isIdle: boolean;
  /** Calls `then` once no results are being read. */
  whenRead(then: () => void): void;
}

/** What a program provides for steps ahead. */
export interface AheadOptions {
  readonly executor: Executor;
  /** Writes what a step's calls read besides the batch. */
  prepare(settings: StepSettings): void;
  /** Returns the result of a step, once the executor has read it. */
  result(): StepResult;
  /** Counts a step as taken; returns how many there were before it. */
  count(): number;
  /** Undoes all steps from one on. */
  goBack(stepsTaken: number): void;
}

interface Step {
  readonly rows: number;
  readonly settings: StepSettings;
  readonly resolve: (result: StepResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Posted extends Step {
  /** Number of steps taken before it. */
  readonly before: number;
  readonly post: number;
}

/** Maximum number of steps in flight: one whose index lists are made, and two groups of posts, one of which is read. */
export const MAX_AHEAD = 2 * POSTS;

/** Submitted steps, whose results are read together. */
interface PostQueue {
  /** Number of submitted steps without a result, and of those whose results are not being read. */
  readonly submitted: number;
  readonly unread: number;
  /** The first step that the device refused. */
  readonly refused: Posted | undefined;
  forgetRefused(): void;
  submit(step: Step): void;
  /** Reads the results of submitted steps. */
  read(): void;
  /** Resolves once all results that were asked for are read. */
  allRead(): Promise<void>;
  /** Does some work of a step; if it throws, rejects that step and those whose results are not being read. */
  guard(step: Step, work: () => void): void;
}

function createPostQueue({ executor, prepare, result, count }: AheadOptions): PostQueue {
  let posted: Posted[] = [];
  let group = 0;
  let reads: Promise<void> = Promise.resolve();
  let submitted = 0;
  let refused: Posted | undefined;
  const read = (): void => {
    if (posted.length === 0) return;
    const [steps, from] = [posted, group];
    posted = [];
    group = 1 - group;
    const found = executor.readPosts(from, steps.length, (i) => {
      const step = steps[i]!;
      submitted--;
      if (executor.isRefused) refused ??= step;
      step.resolve(result());
    });
    reads = Promise.all([reads, found]).then(
      () => undefined,
      (error: unknown) => {
        for (const { reject } of steps) reject(error);
        throw error;
      },
    );
    // Avoids an unhandled rejection; callers that await a result or `catchUp` receive the error.
    reads.catch(() => undefined);
  };
  const guard = (step: Step, work: () => void): void => {
    try {
      work();
    } catch (error) {
      for (const { reject } of [...posted.splice(0), step]) reject(error);
      throw error;
    }
  };
  return {
    get submitted() {
      return submitted;
    },
    get unread() {
      return posted.length;
    },
    get refused() {
      return refused;
    },
    forgetRefused: () => void (refused = undefined),
    read,
    guard,
    allRead: () => reads,
    submit: (step) =>
      guard(step, () => {
        prepare(step.settings);
        const post = group * POSTS + posted.length;
        executor.post('train', step.rows, post);
        posted.push({ ...step, post, before: count() });
        submitted++;
        if (posted.length === POSTS) read();
      }),
  };
}

/**
 * Takes steps without waiting for their results, which are read together. A flag on the device makes it refuse all
 * steps after a refused one; once all are read, the changes of the refused step's forward pass are undone.
 */
export function createStepPipeline(options: AheadOptions): StepPipeline {
  const { executor, result, goBack } = options;
  const { loader } = executor;
  const queue = createPostQueue(options);
  let waiting: Step | undefined;
  /** Finishes the index lists of the waiting step, and returns it. */
  const finish = (): Step | undefined => {
    const step = waiting;
    waiting = undefined;
    if (step !== undefined) queue.guard(step, () => loader.finish());
    return step;
  };
  const submitBegun = (): void => {
    const last = finish();
    if (last !== undefined) queue.submit(last);
  };
  const flush = (): void => {
    submitBegun();
    queue.read();
  };
  return {
    get isIdle() {
      return waiting === undefined && queue.submitted === 0;
    },
    begin: (batch, settings) =>
      new Promise((resolve, reject) => {
        if (queue.submitted + (waiting === undefined ? 0 : 1) >= MAX_AHEAD)
          throw new Error(`no more than ${MAX_AHEAD} steps are under way at once`);
        // The caller has not received the refused result yet.
        if (queue.refused !== undefined) {
          flush();
          return resolve(result());
        }
        const before = finish();
        try {
          loader.begin(batch, 0, batch.rows, true);
          waiting = { rows: batch.rows, settings, resolve, reject };
        } finally {
          // Other threads list its rows while the step before is submitted, even if this one cannot begin.
          if (before !== undefined) queue.submit(before);
        }
      }),
    submitBegun,
    async catchUp() {
      flush();
      await queue.allRead();
      const { refused } = queue;
      if (refused === undefined) return;
      executor.restoreRunning(refused.post);
      goBack(refused.before);
      queue.forgetRefused();
      executor.clearRefused();
    },
    whenRead(then) {
      if (queue.submitted === queue.unread) then();
      else void queue.allRead().then(then, then);
    },
  };
}
