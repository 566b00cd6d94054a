import { logLoss } from '../evaluation/log-loss.js';
import { goalOf } from '../evaluation/metrics.js';
import { rmse } from '../evaluation/rmse.js';
import type { Report } from '../evaluation/evaluation.js';
import type { Measurement, WeightedTerm } from './loop.js';
import type { TrainingOptions } from './options.js';
import { createStopping, type Stopping } from './stopping.js';

/** The stopping that the config asks for, by the goal of what it monitors. */
export function stoppingOf({ monitor, earlyStopping }: TrainingOptions): Stopping {
  return createStopping({
    goal: goalOf(monitor.slice(monitor.indexOf('.') + 1)),
    patience: earlyStopping?.patience,
    minDelta: earlyStopping?.minDelta ?? 0,
  });
}

/** What the loop needs to know of a report: its loss, and the value that `monitor` (`loss` or `task.metric`) names. */
export function measurementOf(report: Report, terms: readonly WeightedTerm[], monitor: string): Measurement {
  const loss = lossOf(report, terms);
  const [space, metric] = monitor.split('.') as [string, string?];
  return { report, loss, monitored: metric === undefined ? loss : metricOf(report, space, metric) };
}

/** The loss on measured rows: what training minimises, from the metrics of the spaces that its terms train. */
function lossOf(report: Report, terms: readonly WeightedTerm[]): number {
  return terms.reduce((total, { name, weight }) => {
    if (report[name] === undefined) throw new Error(`no space is called like the term '${name}'`);
    const error = metricOf(report, name, rmse.name);
    // A space without rows has neither, and adds nothing.
    return total + weight * (metricOf(report, name, logLoss.name) ?? (error === null ? 0 : error ** 2));
  }, 0);
}

/** A metric of a space, or null where it is not defined. */
function metricOf(report: Report, space: string, metric: string): number | null {
  const value = report[space]?.[metric];
  return typeof value === 'number' ? value : null;
}
