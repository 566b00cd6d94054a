import type { Plan, StepPlan } from '../engines/engine.js';
import type { TrainingOptions } from './options.js';
import { combinesTerms } from './train-step.js';

/** Returns the number of rows per step. */
export function stepRows({ batchSize, accumulate }: TrainingOptions): number {
  return batchSize * accumulate;
}

/** Converts training options to the engine's plan. */
export function buildStepPlan(training: TrainingOptions): Omit<Plan, 'graph' | 'layout' | 'seed'> {
  const { optimizer, batchSize, accumulate, clip, diagnostics, weighting, ema, dealtRows, batchNorm, precision } =
    training;
  const step: StepPlan = {
    ...(accumulate > 1 && { rows: stepRows(training) }),
    ...(combinesTerms(weighting) && { combinesTerms: true }),
    ...(clip !== undefined && { clip }),
    ...(ema !== undefined && { average: ema }),
    ...(diagnostics !== undefined && { isDiagnosed: true }),
    precision,
  };
  return { optimizers: optimizer, batchRows: batchSize, step, dealtRows, batchNorm };
}
