import { auc } from '../evaluation/auc.js';
import { mainValue, type Metric } from '../evaluation/metric.js';
import { r2 } from '../evaluation/r2.js';
import { rmse } from '../evaluation/rmse.js';
import type { Block } from '../evaluation/row-store.js';
import { buildScores } from '../evaluation/output-scores.js';
import type { Output } from '../evaluation/outputs.js';

/** A metric of an output. */
export interface Measure {
  /** Text such as `ctcvr.auc`. */
  readonly name: string;
  readonly output: Output;
  readonly metric: Metric;
}

/** Metrics by task type; the first one ranks fields. */
const METRICS: Readonly<Record<Output['type'], readonly Metric[]>> = {
  classification: [auc.build({ confidence: undefined })],
  regression: [r2.build({}), rmse.build({})],
};

/** Lists the measures of outputs. */
export function listMeasures(outputs: readonly Output[]): readonly Measure[] {
  return outputs.flatMap((output) =>
    METRICS[output.type].map((metric) => ({ name: `${output.name}.${metric.values[0].name}`, output, metric })),
  );
}

/** Computes each measure; null if undefined. */
export function computeMeasures(measures: readonly Measure[], blocks: readonly Block[]): readonly (number | null)[] {
  return measures.map(({ output, metric }) => mainValue(metric, buildScores(output, { blocks })));
}

/** Returns how much worse a value got; positive if worse, in either direction of the metric. */
export function computeDrop({ metric }: Measure, before: number, after: number): number {
  return metric.values[0].goal === 'higher' ? before - after : after - before;
}
