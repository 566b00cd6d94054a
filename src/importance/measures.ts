import { auc } from '../evaluation/auc.js';
import type { Metric } from '../evaluation/metric.js';
import { r2 } from '../evaluation/r2.js';
import { rmse } from '../evaluation/rmse.js';
import type { Block } from '../evaluation/row-store.js';
import { scoresOf, type Space } from '../evaluation/spaces.js';

/** A metric of a space: what falls where a field is missed. */
export interface Measure {
  /** As in `ctcvr.auc`. */
  readonly name: string;
  readonly space: Space;
  readonly metric: Metric;
}

/** By type of task; the first decides which field counts more. */
const METRICS: Readonly<Record<Space['type'], readonly Metric[]>> = { classification: [auc], regression: [r2, rmse] };

/** What is measured of some spaces. */
export function measuresOf(spaces: readonly Space[]): readonly Measure[] {
  return spaces.flatMap((space) => METRICS[space.type].map((metric) => ({ name: `${space.name}.${metric.name}`, space, metric })));
}

/** The value of each measure; null where it has none. */
export function valuesOf(measures: readonly Measure[], blocks: readonly Block[]): readonly (number | null)[] {
  return measures.map(({ space, metric }) => {
    const scores = scoresOf(space, blocks);
    const value = scores.rows === 0 ? undefined : metric.compute(scores);
    return typeof value === 'number' ? value : null;
  });
}

/** How much worse a value is than another: above 0 where it is worse, whichever way is better. */
export function fallOf({ metric }: Measure, before: number, after: number): number {
  return metric.goal === 'higher' ? before - after : after - before;
}
