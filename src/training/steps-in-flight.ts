import { monotonicMs } from '../system/clock.js';
import type { BatchRead } from '../core/batch.js';
import type { Diagnosis } from '../engines/diagnosis.js';
import type { Program, StepResult } from '../engines/engine.js';
import type { DivergenceGuard, OnDivergence, SkippedBatch } from './divergence.js';
import type { LoopPosition, LoopState } from './loop-state.js';
import { addLosses, meanLoss, type EpochLoss, type WeightedTerm } from './loss-sums.js';
import type { TrainStep } from './train-step.js';

// Steps of any loop: over epochs of a data set, or over a stream.

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

export interface StepOptions {
  readonly program: Program;
  readonly stepper: TrainStep;
  /** Initial state; updated by the loop and current whenever the loop awaits a callback. */
  readonly state: LoopState;
  readonly terms: readonly WeightedTerm[];
  readonly onDivergence: OnDivergence;
  readonly logEverySteps: number;
  onStep(progress: StepProgress): void;
  onSteps(report: StepReport): void;
  /** Called after a step with a diagnosis. */
  onDiagnosis(diagnosis: Diagnosis, position: { readonly epoch: number; readonly step: number }): void;
  onSkip(skipped: SkippedBatch): void;
}

/** A batch to train on; a stream has no total. */
export type TrainedBatch = Pick<BatchRead, 'batch'> & Partial<BatchRead>;

/** A step in flight. */
interface StepInFlight {
  readonly rows: number;
  readonly totalRows: number | undefined;
  readonly rates: StepReport['lrFactors'];
  readonly result: Promise<StepResult>;
}

/** The steps in flight, which update the state of the loop when they finish. */
export class StepsInFlight {
  readonly #options: StepOptions;
  readonly #guard: DivergenceGuard;
  readonly #epoch: number;
  readonly #max: number;
  readonly #steps: StepInFlight[] = [];
  /** End of the time that the state counts. */
  #countedMs = monotonicMs();

  constructor(options: StepOptions, guard: DivergenceGuard) {
    this.#options = options;
    this.#guard = guard;
    this.#epoch = options.state.epoch + 1;
    // A skipped batch passes its step number to the next one, so steps must not overlap.
    this.#max = options.onDivergence === 'stop' ? options.stepper.stepsAhead : 1;
  }

  /** Excludes the time so far from training: the time of seeking within the epoch, validating or saving. */
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
  async start({ batch, totalRows }: TrainedBatch): Promise<void> {
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
      totalRows: totalRows ?? rows,
      elapsedMs,
      lrFactors: rates,
      // Lazy, since most steps are not displayed.
      get loss() {
        return meanLoss(sums, terms).total;
      },
    });
  }
}

function listWeights({ stepper, terms }: StepOptions): Readonly<Record<string, number>> {
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
