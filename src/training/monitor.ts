import { goalOf } from '../evaluation/metrics.js';
import type { Report } from '../evaluation/evaluation.js';
import type { LoopState } from './loop-state.js';
import type { TrainingOptions } from './options.js';
import { createStopping, type Stopping } from './stopping.js';

/** What was measured on valid. */
export interface Measurement {
  readonly report: Report;
  /** What training minimises: the mean of each term, times its weight in the config. */
  readonly loss: number;
  /** The value that chooses the best epoch, or null where it is not defined. */
  readonly monitored: number | null;
}

/** The stopping that the config asks for, by the goal of what it monitors, from where the loop stands. */
export function stoppingOf({ monitor, earlyStopping }: TrainingOptions, { stopping }: LoopState): Stopping {
  return createStopping({ goal: goalOfMonitor(monitor), patience: earlyStopping?.patience, minDelta: earlyStopping?.minDelta ?? 0 }, stopping);
}

/** Where the value of a monitor is better. */
export function goalOfMonitor(monitor: string): 'higher' | 'lower' {
  return goalOf(parsedMonitor(monitor).metric);
}

/** What was measured, with the value that `monitor` names. */
export function measurementOf(found: Pick<Measurement, 'report' | 'loss'>, monitor: string): Measurement {
  return { ...found, monitored: monitoredOf(found, monitor) };
}

/** The value of what was measured that `monitor` (`loss` or `task.metric`) names, or null where it is not defined. */
export function monitoredOf({ report, loss }: Pick<Measurement, 'report' | 'loss'>, monitor: string): number | null {
  const { space, metric } = parsedMonitor(monitor);
  return space === undefined ? loss : metricOf(report, space, metric);
}

/** `ctcvr.auc` in its two parts; `loss` has no space. */
function parsedMonitor(monitor: string): { readonly space: string | undefined; readonly metric: string } {
  const dot = monitor.indexOf('.');
  return dot < 0 ? { space: undefined, metric: monitor } : { space: monitor.slice(0, dot), metric: monitor.slice(dot + 1) };
}

/** A metric of a space, or null where it is not defined. */
function metricOf(report: Report, space: string, metric: string): number | null {
  const value = report[space]?.[metric];
  return typeof value === 'number' ? value : null;
}
