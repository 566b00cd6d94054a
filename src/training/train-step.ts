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
}

type Step = (
  batch: Batch,
  settings: StepSettings,
  position: { readonly step: number; readonly epoch: number },
) => Promise<StepResult>;

/** Returns whether a weighting requires the gradients of each term. */
export function combinesTerms(weighting: WeightingSpec): boolean {
  return weightings.build(weighting).needs === 'gramian';
}

/** Returns whether a schedule depends on validation results. */
export function readsValidation(schedule: ScheduleSpec): boolean {
  return buildSchedule(schedule).observe !== undefined;
}

/** Creates the training step of a run. */
export function createTrainStep({
  program,
  terms,
  training,
  seed,
  trainingLength,
  stateOf,
}: TrainStepOptions): TrainStep {
  const schedule = buildSchedule(training.schedule);
  const weighting: Weighting = weightings.build(training.lossWeighting);
  const scheduleState: ScheduleState = stateOf(
    { name: 'schedule', version: 1, schema: z.strictObject(schedule.stateShape) },
    () => schedule.first(trainingLength),
  );
  const names = terms.map(({ name }) => name);
  const firstWeights = (): object =>
    weighting.first(
      terms.map(({ weight }) => weight),
      seed,
      names,
    );
  const weightingState: object = stateOf(
    { name: 'weighting', version: weighting.stateVersion, schema: weighting.stateSchema },
    firstWeights,
  );
  const listLosses = (losses: ReadonlyMap<string, TermLoss>): readonly number[] =>
    names.map((name) => losses.get(name)!.mean);
  const rates: TrainStep['rates'] = (step) => {
    const factor = schedule.factor(step, scheduleState);
    return { dense: factor, embeddings: factor * training.schedule.embeddingScale };
  };
  const isDiagnosed = (step: number): boolean =>
    training.diagnostics !== undefined && step % training.diagnostics.everySteps === 0;
  const isApplied = ({ losses }: StepResult): boolean =>
    [...losses.values()].every(({ mean }) => Number.isFinite(mean));

  /** Takes a step with weights from the losses before it. */
  const stepOnCurrentLosses: Step = async (batch, settings, position) => {
    const observation = { losses: listLosses(await program.losses(batch)), gramian: undefined, ...position };
    const next = weighting.observe(weightingState, observation);
    const result = await program.trainStep(batch, { ...settings, weights: weighting.weights(next) });
    if (!isApplied(result)) return result;
    const after =
      weighting.needs === 'change'
        ? weighting.observe(next, { ...observation, lossesAfter: listLosses(await program.losses(batch)) })
        : next;
    Object.assign(weightingState, after);
    return result;
  };

  /** Implementations per kind of weighting; a skipped step does not change the weighting's state. */
  const STEPS: Readonly<Record<Weighting['needs'], Step>> = {
    async losses(batch, settings, position) {
      const result = await program.trainStep(batch, { ...settings, weights: weighting.weights(weightingState) });
      if (isApplied(result))
        Object.assign(
          weightingState,
          weighting.observe(weightingState, { losses: listLosses(result.losses), gramian: undefined, ...position }),
        );
      return result;
    },
    async gramian(batch, settings, position) {
      let next = weightingState;
      const combine: StepSettings['combine'] = (losses, gramian) => {
        next = weighting.observe(weightingState, { losses, gramian, ...position });
        return weighting.weights(next);
      };
      const result = await program.trainStep(batch, { ...settings, combine });
      if (isApplied(result)) Object.assign(weightingState, next);
      return result;
    },
    current: stepOnCurrentLosses,
    change: stepOnCurrentLosses,
  };

  return {
    stepsAhead: weighting.isConstant === true && training.diagnostics === undefined ? (program.stepsAhead ?? 1) : 1,
    take: (batch, { step, epoch }, isAhead = false) =>
      STEPS[weighting.needs](
        batch,
        { rates: rates(step), isDiagnosed: isDiagnosed(step + 1), isAhead },
        { step: step + 1, epoch: epoch + 1 },
      ),
    observe(monitored, goal) {
      if (schedule.observe !== undefined)
        Object.assign(scheduleState, schedule.observe(scheduleState, monitored, goal));
    },
    rates,
    weights: () => weighting.weights(weightingState),
  };
}
