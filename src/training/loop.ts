import { setImmediate } from 'node:timers/promises';
import { monotonicMs } from '../system/clock.js';
import type { BatchRead } from '../core/batch.js';
import { createDivergenceGuard } from './divergence.js';
import { isDue, type EvaluationInterval } from './intervals.js';
import { noEpoch, noInterval, type LoopPosition } from './loop-state.js';
import { meanLoss, type EpochLoss } from './loss-sums.js';
import type { Measurement } from './monitor.js';
import { StepsInFlight, type StepOptions, type TrainedBatch } from './steps-in-flight.js';
import type { Stopping } from './stopping.js';

/** State and progress of training at the end of an epoch, or at a validation within one. */
export interface ValidationEvent {
  /** The finished or current epoch, from 1. */
  readonly epoch: number;
  readonly isEpochEnd: boolean;
  readonly step: number;
  /** Rows of the epoch so far. */
  readonly rows: number;
  /** Training time without evaluation. */
  readonly elapsedMs: number;
  readonly loss: EpochLoss;
  readonly skippedBatches: number;
  /** Undefined if nothing was measured. */
  readonly valid: Measurement | undefined;
  readonly isBest: boolean;
  /** Best epoch so far, including this one, with its monitored value; null if it has none. */
  readonly best: { readonly epoch: number; readonly value: number | null };
}

/** What one pass over batches requires. */
export interface PassOptions<Read = BatchRead> extends StepOptions {
  /**
   * Called in order before each step, with the position after all steps in flight. Each returns a function to run first
   * at that position, if any.
   */
  readonly beforeStep: readonly ((position: LoopPosition) => (() => Promise<void>) | undefined)[];
  /**
   * Called before a step on a batch, when no step is in flight. Returns a function to run after that step and before
   * the next batch is read. Default: steps overlap.
   */
  aroundStep?(read: Read): Promise<() => Promise<void>>;
  /** Returns whether the pass ends, after a function of `beforeStep`. Default: it ends with the batches. */
  shouldStop?(): boolean;
  /** Ends the run after the steps in flight, so that it can be saved. */
  readonly signal: AbortSignal;
}

/** Dependencies of training over epochs. */
export interface LoopOptions extends Omit<PassOptions, 'beforeStep' | 'aroundStep' | 'shouldStop'> {
  readonly epochs: number;
  readonly stopping: Stopping;
  /** Validation interval; default: each epoch. The end of training is always validated. */
  readonly evaluation?: EvaluationInterval | undefined;
  /** Reads the batches of an epoch, from 1, after skipping the first `first`. */
  batches(epoch: number, first: number): AsyncIterable<BatchRead>;
  /** Validates the model, if there is a validation set. */
  readonly validate: (() => Promise<Measurement>) | undefined;
  /**
   * Called before each step with the number of steps taken by then. Returns a function to run first with that state, if
   * any.
   */
  beforeStep(step: number): (() => Promise<void>) | undefined;
  /** Called when a checkpoint can be saved. */
  onValidation(milestone: ValidationEvent): Promise<void>;
}

/** Reason why training ended. */
export type StopReason = 'finished' | 'stopped early';

/** Signals and timers run only when the loop yields to the event loop. */
export const YIELD_EVERY_MS = 50;

/**
 * Trains epoch by epoch until the last one, or until early stopping. On an error, the state is current.
 * @throws as `trainPass`
 */
export async function trainLoop(options: LoopOptions): Promise<StopReason> {
  const { state, epochs, stopping, evaluation } = options;
  const guard = createDivergenceGuard(options.program, options.onDivergence);
  const pass: PassOptions = {
    ...options,
    beforeStep: [
      // Before the step and not after the previous one, so that a run interrupted in between validates when it resumes.
      (position) =>
        evaluation !== undefined && isDue(evaluation, position)
          ? () => validateAndReport(options, { isEpochEnd: false, isMeasured: true })
          : undefined,
      ({ step }) => options.beforeStep(step),
    ],
    shouldStop: () => stopping.shouldStop(),
  };
  while (state.epoch < epochs && !stopping.shouldStop()) {
    await trainPass(pass, options.batches(state.epoch + 1, state.batch), guard);
    if (stopping.shouldStop()) break;
    const isMeasured =
      evaluation === undefined ||
      isDue(evaluation, state) ||
      (state.epoch + 1 === epochs && state.rowsSinceEvaluation > 0);
    await validateAndReport(options, { isEpochEnd: true, isMeasured });
    options.signal.throwIfAborted();
  }
  return state.epoch < epochs ? 'stopped early' : 'finished';
}

/** Validates if requested, updates the state, and calls `onValidation`. */
async function validateAndReport(
  { state, stepper, stopping, terms, validate, onValidation }: LoopOptions,
  { isEpochEnd, isMeasured }: { readonly isEpochEnd: boolean; readonly isMeasured: boolean },
): Promise<void> {
  const valid = isMeasured ? await validate?.() : undefined;
  if (valid !== undefined) stepper.observe(valid.monitored, stopping.goal);
  // Without validation, the newest weights are the best. With it, the first ones are until others can be compared.
  const isBest =
    validate === undefined
      ? isEpochEnd
      : valid !== undefined && (stopping.observe(valid.monitored) || state.bestEpoch === 0);
  const epoch = state.epoch + 1;
  const { step, rows, elapsedMs, skippedBatches } = state;
  if (isBest) Object.assign(state, { bestEpoch: epoch, bestStep: step, bestReport: valid?.report ?? null });
  const best = { epoch: state.bestEpoch, value: stopping.state().best };
  const milestone = {
    epoch,
    isEpochEnd,
    step,
    rows,
    elapsedMs,
    loss: meanLoss(state.sums, terms),
    skippedBatches,
    valid,
    isBest,
    best,
  };
  Object.assign(state, noInterval(), { stopping: stopping.state() });
  if (isMeasured) state.rowsSinceEvaluation = 0;
  if (isEpochEnd) Object.assign(state, noEpoch(), { epoch });
  await onValidation(milestone);
}

/**
 * Takes a step for each batch. On an error, the state is current.
 * @throws the signal's reason, after the steps in flight; UserError (diverged) for a non-finite loss, with the term,
 * the step and the batch
 */
export async function trainPass<Read extends TrainedBatch>(
  options: PassOptions<Read>,
  batches: AsyncIterable<Read>,
  guard = createDivergenceGuard(options.program, options.onDivergence),
): Promise<void> {
  const { state, signal } = options;
  const steps = new StepsInFlight(options, guard);
  let yieldedMs = monotonicMs();
  let isSkipping = state.batch > 0;
  try {
    for await (const read of batches) {
      if (isSkipping) steps.restartClock();
      isSkipping = false;
      for (const find of options.beforeStep) {
        const run = find(steps.nextPosition());
        if (run === undefined) continue;
        await steps.finishAll();
        await run();
        if (options.shouldStop?.() === true) return;
        steps.restartClock();
      }
      const finish = await options.aroundStep?.(read);
      await steps.start(read);
      if (finish !== undefined) {
        await steps.finishAll();
        await finish();
      }
      if (monotonicMs() - yieldedMs > YIELD_EVERY_MS) {
        await setImmediate();
        yieldedMs = monotonicMs();
      }
      signal.throwIfAborted();
    }
  } catch (error) {
    // The state is saved afterward.
    if (signal.aborted && error === signal.reason) await steps.finishAll();
    throw error;
  }
  await steps.finishAll();
}
