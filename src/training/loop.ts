import { setImmediate } from 'node:timers/promises';
import { monotonicMs } from '../system/clock.js';
import type { BatchRead } from '../core/batch.js';
import type { Diagnosis } from '../engines/diagnosis.js';
import type { Program, StepResult } from '../engines/engine.js';
import { createDivergenceGuard, type DivergenceGuard, type OnDivergence, type SkippedBatch } from './divergence.js';
import { isDue, type EvaluationInterval } from './intervals.js';
import { noEpoch, noInterval, type LoopPosition, type LoopState } from './loop-state.js';
import { addLosses, meanLoss, type EpochLoss, type WeightedTerm } from './loss-sums.js';
import type { Measurement } from './monitor.js';
import type { TrainStep } from './train-step.js';
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

/** Progress of a step. */
export interface StepProgress {
  readonly epoch: number;
  readonly rows: number;
  readonly totalRows: number;
  readonly elapsedMs: number;
  /** Mean since the last validation, or the beginning of the epoch. */
  readonly loss: number;
  /** Factors of the learning rates. */
  readonly lrFactors: { readonly dense: number; readonly embeddings: number };
}

/** Log entry for some steps. */
export interface StepReport {
  readonly epoch: number;
  readonly step: number;
  /** Means since the last report. */
  readonly loss: EpochLoss;
  /** Factors of the learning rates in the last step. */
  readonly lrFactors: { readonly dense: number; readonly embeddings: number };
  /** Weights of the terms after the last step. */
  readonly lossWeights: Readonly<Record<string, number>>;
  /** Gradient norms of the last step before clipping, if measured. */
  readonly gradNorms: { readonly dense?: number; readonly embeddings?: number };
}

/** Dependencies of the loop. */
export interface LoopOptions {
  readonly program: Program;
  readonly stepper: TrainStep;
  /** Initial state; updated by the loop and current whenever the loop awaits a callback. */
  readonly state: LoopState;
  readonly epochs: number;
  readonly terms: readonly WeightedTerm[];
  readonly stopping: Stopping;
  readonly onDivergence: OnDivergence;
  /** Validation interval; default: each epoch. The end of training is always validated. */
  readonly evaluation?: EvaluationInterval | undefined;
  readonly logEverySteps: number;
  /** Reads the batches of an epoch, from 1, after skipping the first `first`. */
  batches(epoch: number, first: number): AsyncIterable<BatchRead>;
  /** Validates the model, if there is a validation set. */
  readonly validate: (() => Promise<Measurement>) | undefined;
  /**
   * Called before each step with the number of steps taken by then. Returns a function to run first with that state, if
   * any.
   */
  beforeStep(step: number): (() => Promise<void>) | undefined;
  onStep(progress: StepProgress): void;
  onSteps(report: StepReport): void;
  /** Called after a step with a diagnosis. */
  onDiagnosis(diagnosis: Diagnosis, position: { readonly epoch: number; readonly step: number }): void;
  onSkip(skipped: SkippedBatch): void;
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

/** A step in flight. */
interface StepInFlight {
  readonly rows: number;
  readonly totalRows: number;
  readonly rates: StepReport['lrFactors'];
  readonly result: Promise<StepResult>;
}

/** The steps in flight of an epoch, which update the state of the loop when they finish. */
class StepsInFlight {
  readonly #options: LoopOptions;
  readonly #guard: DivergenceGuard;
  readonly #epoch: number;
  readonly #max: number;
  readonly #steps: StepInFlight[] = [];
  /** End of the time that the state counts. */
  #countedMs = monotonicMs();

  constructor(options: LoopOptions, guard: DivergenceGuard) {
    this.#options = options;
    this.#guard = guard;
    this.#epoch = options.state.epoch + 1;
    // A skipped batch passes its step number to the next one, so steps must not overlap.
    this.#max = options.onDivergence === 'stop' ? options.stepper.stepsAhead : 1;
  }

  /** Excludes the time so far from training: that of seeking within the epoch, validating or saving. */
  restartClock(): void {
    this.#countedMs = monotonicMs();
  }

  /** Returns the position after all steps in flight. */
  nextPosition(): LoopPosition {
    const { step, epoch, rowsSinceEvaluation } = this.#options.state;
    return {
      step: step + this.#steps.length,
      epoch,
      rowsSinceEvaluation: this.#steps.reduce((sum, { rows }) => sum + rows, rowsSinceEvaluation),
    };
  }

  /** Starts a step, and finishes older ones if there are as many as possible. */
  async start({ batch, totalRows }: BatchRead): Promise<void> {
    const { stepper, state } = this.#options;
    const { step } = this.nextPosition();
    const result = stepper.take(batch, { step, epoch: state.epoch }, this.#max > 1);
    // Avoids an unhandled rejection; the awaiting caller receives the error.
    result.catch(() => undefined);
    this.#steps.push({ rows: batch.rows, totalRows, rates: stepper.rates(step), result });
    while (this.#steps.length >= this.#max) await this.#finishOldest();
  }

  async finishAll(): Promise<void> {
    if (this.#steps.length > 0) await this.#options.program.catchUp?.();
    while (this.#steps.length > 0) await this.#finishOldest();
  }

  async #finishOldest(): Promise<void> {
    const { state, onSkip } = this.#options;
    const step = this.#steps.shift()!;
    const result = await step.result;
    const skipped = await this.#guard.check(result.losses, state);
    if (skipped === undefined) this.#apply(step, result);
    else {
      state.skippedBatches++;
      state.allSkippedBatches++;
      onSkip(skipped);
    }
    const nowMs = monotonicMs();
    state.batch++;
    state.rows += step.rows;
    state.elapsedMs += nowMs - this.#countedMs;
    this.#countedMs = nowMs;
    this.#reportProgress(step);
  }

  /** Counts a step that was not skipped; the rows of others do not change the model. */
  #apply({ rows, rates }: StepInFlight, { losses, norms, diagnosis }: StepResult): void {
    const { state, terms, logEverySteps, onSteps, onDiagnosis } = this.#options;
    state.step++;
    state.rowsSinceEvaluation += rows;
    addLosses(state.sums, losses);
    addLosses(state.logSums, losses);
    if (state.step % logEverySteps === 0) {
      onSteps({
        epoch: this.#epoch,
        step: state.step,
        loss: meanLoss(state.logSums, terms),
        lrFactors: rates,
        lossWeights: listWeights(this.#options),
        gradNorms: finite(norms),
      });
      state.logSums = {};
    }
    if (diagnosis !== undefined) onDiagnosis(diagnosis, { epoch: this.#epoch, step: state.step });
  }

  #reportProgress({ totalRows, rates }: StepInFlight): void {
    const { terms, state, onStep } = this.#options;
    const { rows, elapsedMs, sums } = state;
    onStep({
      epoch: this.#epoch,
      rows,
      totalRows,
      elapsedMs,
      lrFactors: rates,
      // Lazy, since most steps are not displayed.
      get loss() {
        return meanLoss(sums, terms).total;
      },
    });
  }
}

function listWeights({ stepper, terms }: LoopOptions): Readonly<Record<string, number>> {
  const weights = stepper.weights();
  return Object.fromEntries(terms.map(({ name }, t) => [name, weights[t]!]));
}

function finite({
  dense,
  embeddings,
}: {
  readonly dense: number;
  readonly embeddings: number;
}): StepReport['gradNorms'] {
  return Number.isNaN(dense) ? {} : { dense, embeddings };
}
