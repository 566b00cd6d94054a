import type { Predicted, Report } from '../evaluation/evaluation.js';
import type { MetricDirections } from '../evaluation/metric-direction.js';
import type { LoopState } from './loop-state.js';
import { getDirection, parseMonitor } from './monitor-sum.js';
import type { TrainingOptions } from './options.js';
import { createStopping, type Stopping } from './stopping.js';

/** Result of an evaluation. */
export interface Evaluation {
  readonly report: Report;
  /** Training objective: the mean of each term, weighted by the config. */
  readonly loss: number;
  readonly predicted: Predicted;
}

/** Result of a validation. */
export interface Measurement extends Evaluation {
  /** Value that selects the best epoch; null if undefined. */
  readonly monitored: number | null;
}

/** Creates the early stopping of a config, from the state of the loop. */
export function buildStopping(
  { monitor, earlyStopping }: TrainingOptions,
  { stopping }: LoopState,
  goals: MetricDirections,
): Stopping {
  return createStopping(
    { goal: getGoal(monitor, goals), patience: earlyStopping?.patience, minDelta: earlyStopping?.minDelta ?? 0 },
    stopping,
  );
}

/** Returns the direction of improvement of a monitor; all terms of a valid sum agree. */
export function getGoal(monitor: string, goals: MetricDirections): 'higher' | 'lower' {
  const [first] = parseMonitor(monitor) ?? [];
  return first !== undefined && getDirection(first, goals) > 0 ? 'higher' : 'lower';
}

/** Adds the value of `monitor` to an evaluation. */
export function computeMeasurement({ report, loss, predicted }: Evaluation, monitor: string): Measurement {
  return { report, loss, predicted, monitored: readMonitored({ report, loss }, monitor) };
}

/** Computes the value of `monitor` (`loss`, `task.metric` or a weighted sum); null if a part of it is undefined. */
export function readMonitored({ report, loss }: Pick<Evaluation, 'report' | 'loss'>, monitor: string): number | null {
  let sum = 0;
  for (const { factor, output, metric } of parseMonitor(monitor) ?? []) {
    const value = output === undefined ? loss : report[output]?.[metric];
    if (typeof value !== 'number') return null;
    sum += factor * value;
  }
  return sum;
}
