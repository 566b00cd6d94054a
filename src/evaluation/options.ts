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

export interface Measuring {
  readonly metrics: readonly Metric[];
  /** Columns whose values define segments. */
  readonly by: readonly string[];
}

/** Resolves the section, with defaults. */
export function resolveMeasuring({ metrics, segmentBy: by = [] }: EvaluationSection = {}): Measuring {
  return { metrics: metrics?.map(builtMetric) ?? defaultMetrics, by };
}

/** Returns the data columns to read besides the features. */
export function listKeyColumns({ metrics, by }: Measuring): readonly string[] {
  return [...new Set([...metrics.flatMap((metric) => metric.by ?? []), ...by])];
}

/** Validates the section: unique names and columns. */
export function* checkEvaluation(section: EvaluationSection): Generator<ValidationIssue> {
  const usedNames = new Set<string>();
  for (const [i, metric] of (section.metrics ?? []).map(builtMetric).entries()) {
    const duplicate = metric.values.find(({ name }) => usedNames.has(name) || RESERVED_KEYS.includes(name));
    if (duplicate !== undefined)
      yield {
        path: ['metrics', i],
        message: `'${duplicate.name}' is already in the report; rename it with as: ${duplicate.name}_2`,
      };
    for (const { name } of metric.values) usedNames.add(name);
  }
  const { segmentBy: by = [] } = section;
  for (const [i, column] of by.entries())
    if (by.indexOf(column) < i) yield { path: ['segmentBy', i], message: `'${column}' is listed twice; remove one` };
}

/** Keys of a report besides metrics. */
const RESERVED_KEYS: readonly string[] = ['rows', 'positives', 'reasons', 'bins', 'calibration'];
