import { z } from 'zod';
import { formatChoices, registry } from '../core/component.js';
import * as all from './all.js';
import type { Metric } from './metric.js';

/** Every metric by its name in the YAML, in the order in which tables show them. */
export const metricParts = registry(all);
export type MetricSpec = Parameters<typeof metricParts.build>[0];

const namedSchema = metricParts.schemaWith({
  as: z
    .string()
    .regex(
      /^[A-Za-z][A-Za-z0-9_@%-]{0,63}$/,
      'a name: a letter, then letters, digits, _, @, % or -, 64 characters at most',
    )
    .optional()
    .describe("Name in reports, if the metric's own name is taken"),
});

/** A metric in the YAML: a name with options, or a name alone. */
export const metricOption = formatChoices(namedSchema, metricParts.names);

/** What is measured where nothing is said. */
export const defaultMetrics: readonly Metric[] = metricParts.parts
  .filter(({ isDefault }) => isDefault === true)
  .map(({ name }) => plainMetric(name));

/** A metric as it is where nothing but its name is said. */
export function plainMetric(name: MetricSpec['name']): Metric {
  return builtMetric(namedSchema.parse({ name }));
}

/** A metric by what the YAML says of it. */
export function builtMetric({ as, ...spec }: z.output<typeof metricOption>): Metric {
  const metric = metricParts.build(spec);
  if (as === undefined) return metric;
  const [{ name }] = metric.values;
  const renamed = metric.values.map((value) => ({ ...value, name: as + value.name.slice(name.length) }));
  return { ...metric, values: renamed as unknown as Metric['values'] };
}
