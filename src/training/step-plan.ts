import type { Plan, StepPlan } from '../engines/engine.js';
import type { TrainingOptions } from './options.js';
import { combinesTerms } from './train-step.js';

/** Returns the number of rows per step. */
export function stepRows({ batchSize, accumulateBatches }: TrainingOptions): number {
  return batchSize * accumulateBatches;
}

/** Converts training options to the engine's plan. */
export function buildStepPlan(training: TrainingOptions): Omit<Plan, 'graph' | 'layout' | 'seed'> {
  const { optimizer, batchSize, clip, diagnostics, ema, precision } = training;
  const step: StepPlan = {
    ...(training.accumulateBatches > 1 && { rows: stepRows(training) }),
    ...(combinesTerms(training.lossWeighting) && { combinesTerms: true }),
    ...(clip !== undefined && { clip }),
    ...(ema !== undefined && { average: ema }),
    ...(diagnostics !== undefined && { isDiagnosed: true }),
    precision,
  };
  return {
    optimizers: optimizer,
    batchRows: batchSize,
    step,
    dealtRows: training.shardTablesFrom,
    batchNorm: training.syncBatchNorm ? 'global' : 'local',
  };
}
