import { setImmediate } from 'node:timers/promises';
import type { Batch } from '../core/batch.js';
import { monotonicMs } from '../system/clock.js';
import { createDivergenceGuard } from './divergence.js';
import { YIELD_EVERY_MS } from './loop.js';
import { noInterval } from './loop-state.js';
import type { ProgressiveValidation, WindowReport } from './progressive.js';
import { StepsInFlight, type StepOptions } from './steps-in-flight.js';

/** Maximum time of a timer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Dependencies of the loop over a stream. */
export interface StreamLoopOptions<Read extends { readonly batch: Batch }> extends StepOptions {
  /**
   * Reads the batches of the stream from its position on. It reads nothing beyond the batch that it yields.
   * @param signal ends a wait for a batch; its reason is thrown
   */
  batches(signal: AbortSignal): AsyncIterable<Read>;
  readonly progressive: ProgressiveValidation;
  /** Called before a batch is predicted. */
  beforeBatch(read: Read): void;
  /** Called after the step of a batch. */
  moveAfter(read: Read): void;
  /** Called after the step that completes a window. */
  onWindow(window: WindowReport): Promise<void>;
  /**
   * Called after each step with the number of steps taken by then. Returns a function to run before the next batch is
   * read, if any.
   */
  beforeStep(step: number): (() => Promise<void>) | undefined;
  /** Saves what was trained on while no batch arrives. */
  readonly quiet: {
    /** Returns the time until `save` has to be called if no batch arrives; undefined if nothing is unsaved. */
    dueInMs(): number | undefined;
    save(): Promise<void>;
  };
  /** Ends the run after the current step, so that it can be saved. */
  readonly signal: AbortSignal;
}

/**
 * Trains on the batches of a stream, strictly in order: each is predicted, and then trained on, before the next one is
 * read. A checkpoint thus contains nothing of later records. On an error, the state is current.
 * @throws the signal's reason; UserError (diverged) for a non-finite loss
 */
export async function trainStream<Read extends { readonly batch: Batch }>(
  options: StreamLoopOptions<Read>,
): Promise<'finished'> {
  const { program, state, progressive, signal } = options;
  const steps = new StepsInFlight(options, createDivergenceGuard(program, options.onDivergence));
  let yieldedMs = monotonicMs();
  for await (const read of saveWhileWaiting(options)) {
    const { batch } = read;
    options.beforeBatch(read);
    const predictions = await program.averaged(() => program.predict(batch));
    const { skippedBatches } = state;
    await steps.start({ batch, totalRows: state.rows + batch.rows });
    await steps.finishAll();
    options.moveAfter(read);
    if (state.skippedBatches > skippedBatches) progressive.countSkipped();
    const windows = progressive.add(batch, predictions);
    for (const window of windows) await options.onWindow(window);
    if (windows.length > 0) Object.assign(state, noInterval());
    await options.beforeStep(state.step)?.();
    if (monotonicMs() - yieldedMs > YIELD_EVERY_MS) {
      await setImmediate();
      yieldedMs = monotonicMs();
    }
    signal.throwIfAborted();
  }
  return 'finished';
}

/**
 * Yields the batches of a stream. If a checkpoint is due before the next batch arrives, it is saved first: the state is
 * that after the last batch, since a batch changes nothing before it is yielded.
 */
async function* saveWhileWaiting<Read extends { readonly batch: Batch }>({
  batches,
  quiet,
  signal,
}: StreamLoopOptions<Read>): AsyncGenerator<Read> {
  const failure = new AbortController();
  const reads = batches(AbortSignal.any([signal, failure.signal]))[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = reads.next();
      try {
        while (!(await settlesWithin(next, quiet.dueInMs()))) await quiet.save();
      } catch (error) {
        failure.abort(error);
        await next;
        throw error;
      }
      const read = await next;
      if (read.done === true) return;
      yield read.value;
    }
  } finally {
    await reads.return?.();
  }
}

/** Waits for a promise, but at most for `ms`; returns whether it was fulfilled by then. */
async function settlesWithin(promise: Promise<unknown>, ms = Infinity): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    if (ms !== Infinity) timer = setTimeout(resolve, Math.min(Math.max(1, Math.ceil(ms)), MAX_TIMEOUT_MS), false);
  });
  try {
    return await Promise.race([promise.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
