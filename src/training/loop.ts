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

/**
 * Where training stands and how it went since the last time: at the end of an epoch, or where valid was measured within
 * one.
 */
export interface ValidationEvent {
  /** Counted from 1: the epoch that is behind, or under way. */
  readonly epoch: number;
  readonly isEpochEnd: boolean;
  readonly step: number;
  /** Of the epoch, so far. */
  readonly rows: number;
  /** Training alone, without the evaluation. */
  readonly elapsedMs: number;
  readonly loss: EpochLoss;
  readonly skippedBatches: number;
  /** Undefined where nothing was measured. */
  readonly valid: Measurement | undefined;
  readonly isBest: boolean;
  /** The epoch that is the best so far, this one included, with the monitored value: null where it has none. */
  readonly best: { readonly epoch: number; readonly value: number | null };
}

/** A step, as progress shows it. */
export interface StepProgress {
  readonly epoch: number;
  readonly rows: number;
  readonly totalRows: number;
  readonly elapsedMs: number;
  /** The mean since the epoch began or valid was last measured. */
  readonly loss: number;
  /** What the learning rates were multiplied by. */
  readonly lrFactors: { readonly dense: number; readonly embeddings: number };
}

/** Some steps, as they are logged. */
export interface StepReport {
  readonly epoch: number;
  readonly step: number;
  /** Means since the last report. */
  readonly loss: EpochLoss;
  /** What the learning rates were multiplied by in the last step. */
  readonly lrFactors: { readonly dense: number; readonly embeddings: number };
  /** Of the terms, after it. */
  readonly lossWeights: Readonly<Record<string, number>>;
  /** Of the last step's gradient before it was clipped, where it is measured. */
  readonly gradNorms: { readonly dense?: number; readonly embeddings?: number };
}

/** What the loop works with. */
export interface LoopOptions {
  readonly program: Program;
  readonly stepper: TrainStep;
  /** Where training stands: where the loop starts, and where it is whenever it waits for others. */
  readonly state: LoopState;
  readonly epochs: number;
  readonly terms: readonly WeightedTerm[];
  readonly stopping: Stopping;
  readonly onDivergence: OnDivergence;
  /** When valid is measured; at the end of each epoch where it is not given, and in any case at the end of the last. */
  readonly evaluation?: EvaluationInterval | undefined;
  readonly logEverySteps: number;
  /** The batches of an epoch, counted from 1, from the one on before which `first` others lie. */
  batches(epoch: number, first: number): AsyncIterable<BatchRead>;
  /** Measures valid, where there is one. */
  readonly validate: (() => Promise<Measurement>) | undefined;
  /**
   * Called before each step, with the steps that will have been taken then: gives what is to be done first, with the
   * state as it is then, if anything is.
   */
  beforeStep(step: number): (() => Promise<void>) | undefined;
  onStep(progress: StepProgress): void;
  onSteps(report: StepReport): void;
  /** Called behind a step that was diagnosed. */
  onDiagnosis(diagnosis: Diagnosis, at: { readonly epoch: number; readonly step: number }): void;
  onSkip(skipped: SkippedBatch): void;
  /** The time to save. */
  onMilestone(milestone: ValidationEvent): Promise<void>;
  /** Aborted to end the run after the steps that run, and save. */
  readonly signal: AbortSignal;
}

/** How training ended. */
export type StopReason = 'finished' | 'stopped early';

/** Signals and timers run only when the event loop gets a turn. */
export const YIELD_EVERY_MS = 50;

/**
 * Trains epoch by epoch until the last, or until nothing improves.
 * @throws the signal's reason after the steps that run when it is aborted; UserError (diverged) for a loss that is not
 * finite,
 *   naming the term, the step and the batch. The state is then where training stands.
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
    await reach(options, { isEpochEnd: true, isMeasured });
    options.signal.throwIfAborted();
  }
  return 'finished';
}

/** Measures valid if it is time to, moves the state on, and tells. */
async function reach(
  { state, stepper, stopping, terms, validate, onMilestone }: LoopOptions,
  { isEpochEnd, isMeasured }: { readonly isEpochEnd: boolean; readonly isMeasured: boolean },
): Promise<void> {
  const valid = isMeasured ? await validate?.() : undefined;
  if (valid !== undefined) stepper.observe(valid.monitored, stopping.goal);
  // Without valid, the newest weights are the best that is known; the first are, until others can be compared.
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

/** A step that was begun, and what of it the loop goes on with. */
interface BegunStep {
  readonly rows: number;
  readonly totalRows: number;
  readonly rates: StepReport['lrFactors'];
  readonly result: Promise<StepResult>;
}

/** Trains what is left of the epoch that is under way; false where nothing improves any more within it. */
async function trainEpoch(options: LoopOptions, guard: DivergenceGuard): Promise<boolean> {
  const { program, stepper, state, signal, evaluation, stopping } = options;
  const epoch = state.epoch + 1;
  // A batch that is skipped gives its step to the next one.
  const most = options.onDivergence === 'stop' ? stepper.stepsAhead : 1;
  const begun: BegunStep[] = [];
  let countedMs = monotonicMs();
  let yieldedMs = countedMs;
  let isSkipping = state.batch > 0;

  const finishOldest = async (): Promise<void> => {
    const { rows, totalRows, rates, result } = begun.shift()!;
    const { losses, norms, diagnosis } = await result;
    const skipped = await guard.check(losses, state);
    if (skipped === undefined) {
      state.step++;
      // Rows that were skipped change nothing that could be measured.
      state.rowsSinceEvaluation += rows;
      addLosses(state.sums, losses);
      addLosses(state.logSums, losses);
      if (state.step % options.logEverySteps === 0) {
        options.onSteps({
          epoch,
          step: state.step,
          loss: meanLoss(state.logSums, options.terms),
          lrFactors: rates,
          lossWeights: weightsOf(options),
          gradNorms: finite(norms),
        });
        state.logSums = {};
      }
      if (diagnosis !== undefined) options.onDiagnosis(diagnosis, { epoch, step: state.step });
    } else {
      state.skippedBatches++;
      state.allSkippedBatches++;
      options.onSkip(skipped);
    }
    const nowMs = monotonicMs();
    state.batch++;
    state.rows += rows;
    state.elapsedMs += nowMs - countedMs;
    countedMs = nowMs;
    const { sums } = state;
    options.onStep({
      epoch,
      rows: state.rows,
      totalRows,
      elapsedMs: state.elapsedMs,
      lrFactors: rates,
      // Most steps are never looked at.
      get loss() {
        return meanLoss(sums, options.terms).total;
      },
    });
  };
  const finishAll = async (): Promise<void> => {
    if (begun.length > 0) await program.catchUp?.();
    while (begun.length > 0) await finishOldest();
  };
  /** Where training will stand when all that was begun is done. */
  const ahead = (): LoopPosition => ({
    step: state.step + begun.length,
    epoch: state.epoch,
    rowsSinceEvaluation: begun.reduce((sum, { rows }) => sum + rows, state.rowsSinceEvaluation),
  });

  try {
    for await (const { batch, totalRows } of options.batches(epoch, state.batch)) {
      // Finding the way back into an epoch is no training, nor is saving.
      if (isSkipping) countedMs = monotonicMs();
      isSkipping = false;
      // Here and not behind a step, so that a run that was stopped between the two does it when it goes on.
      if (evaluation !== undefined && isDue(evaluation, ahead())) {
        await finishAll();
        await reach(options, { isEpochEnd: false, isMeasured: true });
        if (stopping.shouldStop()) return false;
        countedMs = monotonicMs();
      }
      const { step } = ahead();
      const save = options.beforeStep(step);
      if (save !== undefined) {
        await finishAll();
        await save();
        countedMs = monotonicMs();
      }
      const result = stepper.take(batch, { step, epoch: state.epoch }, most > 1);
      // Whoever waits for it hears of an error, if nobody heard of another one before.
      result.catch(() => undefined);
      begun.push({ rows: batch.rows, totalRows, rates: stepper.rates(step), result });
      while (begun.length >= most) await finishOldest();
      if (monotonicMs() - yieldedMs > YIELD_EVERY_MS) {
        await setImmediate();
        yieldedMs = monotonicMs();
      }
      signal.throwIfAborted();
    }
  } catch (error) {
    // What stands is saved then.
    if (signal.aborted && error === signal.reason) await finishAll();
    throw error;
  }
  await finishAll();
  return true;
}

function weightsOf({ stepper, terms }: LoopOptions): Readonly<Record<string, number>> {
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
