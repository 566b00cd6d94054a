import { setImmediate } from 'node:timers/promises';
import { monotonicMs } from '../system/clock.js';
import type { BatchRead } from '../core/batch.js';
import { createDivergenceGuard, type DivergenceGuard } from './divergence.js';
import { isDue, type EvaluationInterval } from './intervals.js';
import { noEpoch, noInterval } from './loop-state.js';
import { meanLoss, type EpochLoss } from './loss-sums.js';
import type { Measurement } from './monitor.js';
import { StepsInFlight, type StepOptions } from './steps-in-flight.js';
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

/** Dependencies of the loop. */
export interface LoopOptions extends StepOptions {
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
  onMilestone(milestone: ValidationEvent): Promise<void>;
  /** Ends the run after the steps in flight, so that it can be saved. */
  readonly signal: AbortSignal;
}

/** Reason why training ended. */
export type StopReason = 'finished' | 'stopped early';

/** Signals and timers run only when the loop yields to the event loop. */
export const YIELD_EVERY_MS = 50;

/**
 * Trains epoch by epoch until the last one, or until early stopping. On an error, the state is current.
 * @throws the signal's reason, after the steps in flight; UserError (diverged) for a non-finite loss, with the term,
 * the step and the batch
 */
export async function trainLoop(options: LoopOptions): Promise<StopReason> {
  const { state, epochs, stopping, evaluation } = options;
  const guard = createDivergenceGuard(options.program, options.onDivergence);
  while (state.epoch < epochs) {
    if (stopping.shouldStop()) return 'stopped early';
    const isDone = await trainEpoch(options, guard);
    if (!isDone) return 'stopped early';
    const isMeasured =
      evaluation === undefined ||
      isDue(evaluation, state) ||
      (state.epoch + 1 === epochs && state.rowsSinceEvaluation > 0);
    await validateAndReport(options, { isEpochEnd: true, isMeasured });
    options.signal.throwIfAborted();
  }
  return 'finished';
}

/** Validates if requested, updates the state, and calls `onMilestone`. */
async function validateAndReport(
  { state, stepper, stopping, terms, validate, onMilestone }: LoopOptions,
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
  await onMilestone(milestone);
}

/** Trains the rest of the current epoch; returns false if early stopping ends it. */
async function trainEpoch(options: LoopOptions, guard: DivergenceGuard): Promise<boolean> {
  const { state, signal, evaluation, stopping } = options;
  const steps = new StepsInFlight(options, guard);
  let yieldedMs = monotonicMs();
  let isSkipping = state.batch > 0;
  try {
    for await (const read of options.batches(state.epoch + 1, state.batch)) {
      if (isSkipping) steps.restartClock();
      isSkipping = false;
      // Before the step and not after the previous one, so that a run interrupted in between validates when it resumes.
      if (evaluation !== undefined && isDue(evaluation, steps.nextPosition())) {
        await steps.finishAll();
        await validateAndReport(options, { isEpochEnd: false, isMeasured: true });
        if (stopping.shouldStop()) return false;
        steps.restartClock();
      }
      const save = options.beforeStep(steps.nextPosition().step);
      if (save !== undefined) {
        await steps.finishAll();
        await save();
        steps.restartClock();
      }
      await steps.start(read);
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
  return true;
}
