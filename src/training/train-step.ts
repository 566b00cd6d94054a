import { z } from 'zod';
import type { Batch } from '../core/batch.js';
import type { Program, StepResult, StepSettings, TermLoss } from '../engines/engine.js';
import { buildSchedule, type ScheduleSpec } from '../schedules/schedules.js';
import type { TrainingLength } from '../schedules/options.js';
import type { ScheduleState } from '../schedules/schedule.js';
import type { StateSection } from '../core/state-section.js';
import type { Weighting } from '../weightings/weighting.js';
import { weightings, type WeightingSpec } from '../weightings/weightings.js';
import type { LoopPosition } from './loop-state.js';
import type { WeightedTerm } from './loss-sums.js';
import type { TrainingOptions } from './options.js';

/** Runs steps with the current learning rates and loss weights. */
export interface TrainStep {
  /** @param isAhead whether more steps, up to `stepsAhead`, start before the result is awaited */
  take(batch: Batch, position: Omit<LoopPosition, 'rowsSinceEvaluation'>, isAhead?: boolean): Promise<StepResult>;
  /** Maximum number of steps in flight, which do not depend on each other's results. */
  readonly stepsAhead: number;
  /** Reports the monitored value of a validation; null if undefined. */
  observe(monitored: number | null, goal: 'higher' | 'lower'): void;
  /** Returns the factors of the learning rates in a step, from 0. */
  rates(step: number): { readonly dense: number; readonly embeddings: number };
  /** Returns the current weights of the terms. */
  weights(): readonly number[];
}

/** Dependencies of the steps. */
export interface TrainStepOptions {
  readonly program: Program;
  readonly terms: readonly WeightedTerm[];
  readonly training: Pick<TrainingOptions, 'schedule' | 'lossWeighting' | 'diagnostics'>;
  readonly seed: number;
  /** Length of the whole training, if no step is skipped. */
  readonly trainingLength: TrainingLength;
  /** Stores a component's state with the run. */
  stateOf<State extends object>(section: StateSection<State>, first: () => State): State;
  /** Called with the batch of each step, before the step. */
  onBatch?(batch: Batch): void;
}

/** Returns whether a weighting requires the gradients of each term. */
export function combinesTerms(weighting: WeightingSpec): boolean {
  return weightings.build(weighting).needs === 'gramian';
}

/** Returns whether a schedule depends on validation results. */
export function readsValidation(schedule: ScheduleSpec): boolean {
  return buildSchedule(schedule).observe !== undefined;
}

/** Returns whether a schedule depends on the length of training. */
export function readsLength(schedule: ScheduleSpec): boolean {
  const state = buildSchedule(schedule).first({ steps: Infinity, stepsPerEpoch: Infinity });
  return Object.values(state).some((value) => value === Infinity);
}

/** Position of a step, from 1. */
interface StepNumber {
  readonly step: number;
  readonly epoch: number;
}

/** Creates the training step of a run. */
export function createTrainStep(options: TrainStepOptions): TrainStep {
  return new ScheduledStep(options);
}

/** Steps with the learning rates of a schedule and the loss weights of a weighting. */
class ScheduledStep implements TrainStep {
  readonly stepsAhead: number;
  readonly #program: Program;
  readonly #training: TrainStepOptions['training'];
  readonly #names: readonly string[];
  readonly #schedule: ReturnType<typeof buildSchedule>;
  readonly #scheduleState: ScheduleState;
  readonly #weighting: Weighting;
  readonly #weightingState: object;
  readonly #onBatch: TrainStepOptions['onBatch'];

  constructor({ program, terms, training, seed, trainingLength, stateOf, onBatch }: TrainStepOptions) {
    this.#onBatch = onBatch;
    const schedule = buildSchedule(training.schedule);
    const weighting: Weighting = weightings.build(training.lossWeighting);
    this.#program = program;
    this.#training = training;
    this.#names = terms.map(({ name }) => name);
    this.#schedule = schedule;
    this.#scheduleState = stateOf({ name: 'schedule', version: 1, schema: z.strictObject(schedule.stateShape) }, () =>
      schedule.first(trainingLength),
    );
    this.#weighting = weighting;
    const weights = terms.map(({ weight }) => weight);
    this.#weightingState = stateOf(
      { name: 'weighting', version: weighting.stateVersion, schema: weighting.stateSchema },
      (): object => weighting.first(weights, seed, this.#names),
    );
    const isIndependent = weighting.isConstant === true && training.diagnostics === undefined;
    this.stepsAhead = isIndependent ? (program.stepsAhead ?? 1) : 1;
  }

  take(batch: Batch, { step, epoch }: Omit<LoopPosition, 'rowsSinceEvaluation'>, isAhead = false): Promise<StepResult> {
    this.#onBatch?.(batch);
    const { diagnostics } = this.#training;
    const number = { step: step + 1, epoch: epoch + 1 };
    const isDiagnosed = diagnostics !== undefined && number.step % diagnostics.everySteps === 0;
    const settings = { rates: this.rates(step), isDiagnosed, isAhead };
    const { needs } = this.#weighting;
    if (needs === 'losses') return this.#weighByPastLosses(batch, settings, number);
    if (needs === 'gramian') return this.#weighByGradients(batch, settings, number);
    return this.#weighByCurrentLosses(batch, settings, number);
  }

  observe(monitored: number | null, goal: 'higher' | 'lower'): void {
    if (this.#schedule.observe !== undefined)
      Object.assign(this.#scheduleState, this.#schedule.observe(this.#scheduleState, monitored, goal));
  }

  rates(step: number): { readonly dense: number; readonly embeddings: number } {
    const factor = this.#schedule.factor(step, this.#scheduleState);
    return { dense: factor, embeddings: factor * this.#training.schedule.embeddingScale };
  }

  weights(): readonly number[] {
    return this.#weighting.weights(this.#weightingState);
  }

  // A skipped step does not change the state of the weighting.

  async #weighByPastLosses(batch: Batch, settings: StepSettings, number: StepNumber): Promise<StepResult> {
    const result = await this.#program.trainStep(batch, { ...settings, weights: this.weights() });
    if (isApplied(result)) this.#observeLosses(this.#listLosses(result.losses), number);
    return result;
  }

  async #weighByGradients(batch: Batch, settings: StepSettings, number: StepNumber): Promise<StepResult> {
    const weighting = this.#weighting;
    let next = this.#weightingState;
    const combine: StepSettings['combine'] = (losses, gramian) => {
      next = weighting.observe(this.#weightingState, { losses, gramian, ...number });
      return weighting.weights(next);
    };
    const result = await this.#program.trainStep(batch, { ...settings, combine });
    if (isApplied(result)) Object.assign(this.#weightingState, next);
    return result;
  }

  async #weighByCurrentLosses(batch: Batch, settings: StepSettings, number: StepNumber): Promise<StepResult> {
    const weighting = this.#weighting;
    const losses = this.#listLosses(await this.#program.losses(batch));
    const observation = { losses, gramian: undefined, ...number };
    const next = weighting.observe(this.#weightingState, observation);
    const result = await this.#program.trainStep(batch, { ...settings, weights: weighting.weights(next) });
    if (!isApplied(result)) return result;
    const readsChange = weighting.needs === 'change';
    const lossesAfter = readsChange ? this.#listLosses(await this.#program.losses(batch)) : [];
    Object.assign(this.#weightingState, readsChange ? weighting.observe(next, { ...observation, lossesAfter }) : next);
    return result;
  }

  #observeLosses(losses: readonly number[], number: StepNumber): void {
    const next = this.#weighting.observe(this.#weightingState, { losses, gramian: undefined, ...number });
    Object.assign(this.#weightingState, next);
  }

  #listLosses(losses: ReadonlyMap<string, TermLoss>): readonly number[] {
    return this.#names.map((name) => losses.get(name)!.mean);
  }
}

function isApplied({ losses }: StepResult): boolean {
  return [...losses.values()].every(({ mean }) => Number.isFinite(mean));
}
