import type { Batch } from '../core/batch.js';
import type { Program, StepResult, StepSettings, TermLoss } from '../engines/engine.js';
import { buildSchedule, type ScheduleSpec } from '../schedules/schedules.js';
import type { ScheduleState } from '../schedules/schedule.js';
import type { StateSection } from '../core/state-section.js';
import type { Weighting } from '../weightings/weighting.js';
import { weightings, type WeightingSpec } from '../weightings/weightings.js';
import type { LoopPosition } from './loop-state.js';
import type { WeightedTerm } from './loss-sums.js';
import type { TrainingOptions } from './options.js';

/** Takes steps with the learning rate and the weights of losses that are due. */
export interface TrainStep {
  /** @param isAhead whether further steps are begun before the result is looked at, `stepsAhead` at the most */
  take(batch: Batch, at: Omit<LoopPosition, 'rowsSinceEvaluation'>, isAhead?: boolean): Promise<StepResult>;
  /** Steps that may be under way at once: none of them looks at what another found. */
  readonly stepsAhead: number;
  /** Tells what was measured on valid: null where it is not defined. */
  observe(monitored: number | null, goal: 'higher' | 'lower'): void;
  /** What the learning rates of the config are multiplied by in a step, counted from 0. */
  rates(step: number): { readonly dense: number; readonly embeddings: number };
  /** Of the terms, as they stand. */
  weights(): readonly number[];
}

/** What a stepper works with. */
export interface TrainStepOptions {
  readonly program: Program;
  readonly terms: readonly WeightedTerm[];
  readonly training: Pick<TrainingOptions, 'schedule' | 'lossWeighting' | 'diagnostics'>;
  readonly seed: number;
  /** Steps of the whole training, where none is skipped. */
  readonly trainingSteps: number;
  /** Keeps what a part remembers with the run. */
  stateOf<State extends object>(section: StateSection<State>, first: () => State): State;
}

/** Whether a weighting has to see the gradients of terms apart. */
export function combinesTerms(weighting: WeightingSpec): boolean {
  return weightings.build(weighting).needs === 'gramian';
}

/** Whether a schedule looks at what is measured on valid. */
export function readsValidation(schedule: ScheduleSpec): boolean {
  return buildSchedule(schedule).observe !== undefined;
}

/** Makes the steps of a run. */
export function createTrainStep({
  program,
  terms,
  training,
  seed,
  trainingSteps,
  stateOf,
}: TrainStepOptions): TrainStep {
  const schedule = buildSchedule(training.schedule);
  const weighting: Weighting = weightings.build(training.lossWeighting);
  const scheduled: ScheduleState = stateOf({ name: 'schedule', version: 1, schema: schedule.stateSchema }, () =>
    schedule.first(trainingSteps),
  );
  const names = terms.map(({ name }) => name);
  const firstWeights = (): object =>
    weighting.first(
      terms.map(({ weight }) => weight),
      seed,
      names,
    );
  const weighed: object = stateOf(
    { name: 'weighting', version: weighting.stateVersion, schema: weighting.stateSchema },
    firstWeights,
  );
  const inOrder = (losses: ReadonlyMap<string, TermLoss>): readonly number[] =>
    names.map((name) => losses.get(name)!.mean);
  const rates: TrainStep['rates'] = (step) => {
    const factor = schedule.factor(step, scheduled);
    return { dense: factor, embeddings: factor * training.schedule.embeddingScale };
  };
  const isDiagnosed = (step: number): boolean =>
    training.diagnostics !== undefined && step % training.diagnostics.everySteps === 0;
  const isTaken = ({ losses }: StepResult): boolean => [...losses.values()].every(({ mean }) => Number.isFinite(mean));

  /** Steps of each kind of weighting; what a step that is not taken has seen is forgotten. */
  const STEPS: Readonly<
    Record<
      Weighting['needs'],
      (
        batch: Batch,
        settings: StepSettings,
        at: { readonly step: number; readonly epoch: number },
      ) => Promise<StepResult>
    >
  > = {
    async losses(batch, settings, at) {
      const result = await program.trainStep(batch, { ...settings, weights: weighting.weights(weighed) });
      if (isTaken(result))
        Object.assign(
          weighed,
          weighting.observe(weighed, { losses: inOrder(result.losses), gramian: undefined, ...at }),
        );
      return result;
    },
    async gramian(batch, settings, at) {
      let next = weighed;
      const combine: StepSettings['combine'] = (losses, gramian) => {
        next = weighting.observe(weighed, { losses, gramian, ...at });
        return weighting.weights(next);
      };
      const result = await program.trainStep(batch, { ...settings, combine });
      if (isTaken(result)) Object.assign(weighed, next);
      return result;
    },
    async change(batch, settings, at) {
      const seen = { losses: inOrder(await program.losses(batch)), gramian: undefined, ...at };
      const next = weighting.observe(weighed, seen);
      const result = await program.trainStep(batch, { ...settings, weights: weighting.weights(next) });
      if (isTaken(result))
        Object.assign(weighed, weighting.observe(next, { ...seen, lossesAfter: inOrder(await program.losses(batch)) }));
      return result;
    },
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
      if (schedule.observe !== undefined) Object.assign(scheduled, schedule.observe(scheduled, monitored, goal));
    },
    rates,
    weights: () => weighting.weights(weighed),
  };
}
