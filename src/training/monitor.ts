import { goalOf, metrics } from '../evaluation/metrics.js';
import type { Report } from '../evaluation/evaluation.js';
import type { LoopState } from './loop-state.js';
import type { WeightedTerm } from './loss-sums.js';
import type { TrainingOptions } from './options.js';
import { createStopping, type Stopping } from './stopping.js';

/** What was measured on valid. */
export interface Measurement {
  readonly report: Report;
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

/** What the loop needs to know of a report: its loss, and the value that `monitor` (`loss` or `task.metric`) names. */
export function measurementOf(report: Report, terms: readonly WeightedTerm[], monitor: string): Measurement {
  const loss = lossOf(report, terms);
  const { space, metric } = parsedMonitor(monitor);
  return { report, loss, monitored: space === undefined ? loss : metricOf(report, space, metric) };
}

/** `ctcvr.auc` in its two parts; `loss` has no space. */
function parsedMonitor(monitor: string): { readonly space: string | undefined; readonly metric: string } {
  const dot = monitor.indexOf('.');
  return dot < 0 ? { space: undefined, metric: monitor } : { space: monitor.slice(0, dot), metric: monitor.slice(dot + 1) };
}

/** The loss on measured rows: what training minimises, from the metrics of the spaces that its terms train. */
function lossOf(report: Report, terms: readonly WeightedTerm[]): number {
  return terms.reduce((total, { name, weight }) => {
    if (report[name] === undefined) throw new Error(`no space is called like the term '${name}'`);
    const losses = metrics.map((metric) => {
      const value = metricOf(report, name, metric.name);
      // A space without rows has no value, and adds nothing.
      return value === null ? 0 : (metric.toLoss?.(value) ?? 0);
    });
    return total + weight * losses.reduce((sum, loss) => sum + loss, 0);
  }, 0);
}

/** A metric of a space, or null where it is not defined. */
function metricOf(report: Report, space: string, metric: string): number | null {
  const value = report[space]?.[metric];
  return typeof value === 'number' ? value : null;
}
