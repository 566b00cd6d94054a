import type { Task } from '../core/tasks.js';
import { collectDirections, type MetricDirections } from './metric-direction.js';
import { listKeyColumns, resolveMeasuring, type EvaluationSection, type Measuring } from './options.js';
import { listOutputs, type Output } from './outputs.js';

/** Outputs and their metrics. */
export interface MeasuredOutputs {
  readonly outputs: readonly Output[];
  readonly measuring: Measuring;
  /** Data columns to read besides the features. */
  readonly keys: readonly string[];
  readonly goals: MetricDirections;
}

/** Resolves what a config measures. */
export function measureOutputs(tasks: readonly Task[], section: EvaluationSection | undefined): MeasuredOutputs {
  const [outputs, measuring] = [listOutputs(tasks), resolveMeasuring(section)];
  return { outputs, measuring, keys: listKeyColumns(measuring), goals: collectDirections(outputs, measuring) };
}
