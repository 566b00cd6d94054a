import { auc } from '../evaluation/auc.js';
import { mainValue, type Metric } from '../evaluation/metric.js';
import { r2 } from '../evaluation/r2.js';
import { rmse } from '../evaluation/rmse.js';
import type { Block } from '../evaluation/row-store.js';
import { buildScores } from '../evaluation/output-scores.js';
import type { Output } from '../evaluation/outputs.js';

/** A metric of a space: what falls where a field is missed. */
export interface Measure {
  /** As in `ctcvr.auc`. */
  readonly name: string;
  readonly space: Output;
  readonly metric: Metric;
}

/** By type of task; the first decides which field counts more. */
const METRICS: Readonly<Record<Output['type'], readonly Metric[]>> = {
  classification: [auc.build({ confidence: undefined })],
  regression: [r2.build({}), rmse.build({})],
};

/** What is measured of some spaces. */
export function listMeasures(spaces: readonly Output[]): readonly Measure[] {
  return spaces.flatMap((space) =>
    METRICS[space.type].map((metric) => ({ name: `${space.name}.${metric.values[0].name}`, space, metric })),
  );
}

/** The value of each measure; null where it has none. */
export function valuesOf(measures: readonly Measure[], blocks: readonly Block[]): readonly (number | null)[] {
  return measures.map(({ space, metric }) => mainValue(metric, buildScores(space, { blocks })));
}

/** How much worse a value is than another: above 0 where it is worse, whichever way is better. */
export function computeDrop({ metric }: Measure, before: number, after: number): number {
  return metric.values[0].goal === 'higher' ? before - after : after - before;
}
