import type { Plan, StepPlan } from '../engines/engine.js';
import type { TrainingOptions } from './options.js';
import { combinesTerms } from './train-step.js';

/** Rows that a step takes. */
export function stepRows({ batchSize, accumulateBatches }: TrainingOptions): number {
  return batchSize * accumulateBatches;
}

/** What an engine has to know of the steps that a config asks for. */
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
