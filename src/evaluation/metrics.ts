import { z } from 'zod';
import { formatChoices, registry } from '../core/component.js';
import * as all from './all.js';
import type { Metric } from './metric.js';

/** Every metric by its name in the config, in table order. */
export const metricParts = registry(all);
export type MetricSpec = Parameters<typeof metricParts.build>[0];

const namedSchema = metricParts.schemaWith({
  as: z
    .string()
    .regex(
      /^[A-Za-z][A-Za-z0-9_@%-]{0,63}$/,
      'a name of at most 64 characters: a letter, then letters, digits, _, @, % or -',
    )
    .optional()
    .describe("Name in reports, if the metric's own name is taken"),
});

/** Schema of a metric: a name, or a map with options. */
export const metricOption = formatChoices(namedSchema, metricParts.names);

/** Metrics that are measured by default. */
export const defaultMetrics: readonly Metric[] = metricParts.parts
  .filter(({ isDefault }) => isDefault === true)
  .map(({ name }) => plainMetric(name));

/** Builds a metric from its name, with default options. */
export function plainMetric(name: MetricSpec['name']): Metric {
  return builtMetric(namedSchema.parse({ name }));
}

/** Builds a metric from the config. */
export function builtMetric({ as, ...spec }: z.output<typeof metricOption>): Metric {
  const metric = metricParts.build(spec);
  if (as === undefined) return metric;
  const [{ name }] = metric.values;
  const renamed = metric.values.map((value) => ({ ...value, name: as + value.name.slice(name.length) }));
  return { ...metric, values: renamed as unknown as Metric['values'] };
}
