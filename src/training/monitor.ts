import type { Predicted, Report } from '../evaluation/evaluation.js';
import type { MetricDirections } from '../evaluation/metric-direction.js';
import type { LoopState } from './loop-state.js';
import { getDirection, parseMonitor } from './monitor-sum.js';
import type { TrainingOptions } from './options.js';
import { createStopping, type Stopping } from './stopping.js';

/** What was measured of a split. */
export interface Evaluation {
  readonly report: Report;
  /** What training minimises: the mean of each term, times its weight in the config. */
  readonly loss: number;
  readonly predicted: Predicted;
}

/** What was measured on valid. */
export interface Measurement extends Evaluation {
  /** The value that chooses the best epoch, or null where it is not defined. */
  readonly monitored: number | null;
}

/** The stopping that the config asks for, by the goal of what it monitors, from where the loop stands. */
export function buildStopping(
  { monitor, earlyStopping }: TrainingOptions,
  { stopping }: LoopState,
  goals: MetricDirections,
): Stopping {
  return createStopping(
    { goal: goalOfMonitor(monitor, goals), patience: earlyStopping?.patience, minDelta: earlyStopping?.minDelta ?? 0 },
    stopping,
  );
}

/** Where the value of a monitor is better; all terms of a sum agree, or the config was refused. */
export function goalOfMonitor(monitor: string, goals: MetricDirections): 'higher' | 'lower' {
  const [first] = parseMonitor(monitor) ?? [];
  return first !== undefined && getDirection(first, goals) > 0 ? 'higher' : 'lower';
}

/** What was measured, with the value that `monitor` names. */
export function computeMeasurement({ report, loss, predicted }: Evaluation, monitor: string): Measurement {
  return { report, loss, predicted, monitored: readMonitored({ report, loss }, monitor) };
}

/**
 * The value of what was measured that `monitor` names (`loss`, `task.metric` or a weighted sum of these), or null where
 * a part of it is not defined.
 */
export function readMonitored({ report, loss }: Pick<Evaluation, 'report' | 'loss'>, monitor: string): number | null {
  let sum = 0;
  for (const { factor, space, metric } of parseMonitor(monitor) ?? []) {
    const value = space === undefined ? loss : report[space]?.[metric];
    if (typeof value !== 'number') return null;
    sum += factor * value;
  }
  return sum;
}
