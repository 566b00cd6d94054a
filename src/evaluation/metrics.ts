import * as all from './all.js';
import type { Metric } from './metric.js';

/** Every metric, in the order in which tables show them. */
export const metrics: readonly Metric[] = Object.values(all);

/** Which way a metric or the loss is better. */
export function goalOf(name: string): 'higher' | 'lower' {
  return metrics.find((metric) => metric.name === name)?.goal === 'higher' ? 'higher' : 'lower';
}
