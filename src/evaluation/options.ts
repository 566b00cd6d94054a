import { z } from 'zod';
import { columnName } from '../core/conditions.js';
import type { ValidationIssue } from '../core/component.js';
import type { Metric } from './metric.js';
import { builtMetric, defaultMetrics, metricOption } from './metrics.js';

/** The `evaluation` section of a config. */
export const evaluationSection = z
  .strictObject({
    metrics: z
      .array(metricOption)
      .min(1)
      .optional()
      .describe(
        'Metrics per output, as in [auc, logLoss, { name: gauc, groupBy: user_id }]; each applies to its task type',
      ),
    segmentBy: z
      .array(columnName)
      .min(1)
      .optional()
      .describe('Segment columns; every metric is repeated per value, as in [hour]'),
  })
  .describe('Metrics of the validation and test sets');
export type EvaluationSection = z.output<typeof evaluationSection>;

/** What is measured. */
export interface Measuring {
  readonly metrics: readonly Metric[];
  /** Columns of the data whose values are measured apart. */
  readonly by: readonly string[];
}

/** What the section asks for. */
export function resolveMeasuring({ metrics, segmentBy: by = [] }: EvaluationSection = {}): Measuring {
  return { metrics: metrics?.map(builtMetric) ?? defaultMetrics, by };
}

/** The columns of the data that have to be kept beside the features for it. */
export function listKeyColumns({ metrics, by }: Measuring): readonly string[] {
  return [...new Set([...metrics.flatMap((metric) => metric.by ?? []), ...by])];
}

/** What the keys of the section say together that cannot be. */
export function* checkEvaluation(section: EvaluationSection): Generator<ValidationIssue> {
  const seen = new Set<string>();
  for (const [i, metric] of (section.metrics ?? []).map(builtMetric).entries()) {
    const twice = metric.values.find(({ name }) => seen.has(name) || OWN.includes(name));
    if (twice !== undefined)
      yield {
        path: ['metrics', i],
        message: `another number of a report is called '${twice.name}'; give this one another name with as, as in as: ${twice.name}_2`,
      };
    for (const { name } of metric.values) seen.add(name);
  }
  const { segmentBy: by = [] } = section;
  for (const [i, column] of by.entries())
    if (by.indexOf(column) < i) yield { path: ['by', i], message: `'${column}' stands there twice` };
}

/** What a report of a space holds beside metrics. */
const OWN: readonly string[] = ['rows', 'positives', 'reasons', 'bins', 'calibration'];
