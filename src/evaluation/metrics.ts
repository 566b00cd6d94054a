import * as all from './all.js';
import type { Metric } from './metric.js';

/** Every metric, in the order in which tables show them. */
export const metrics: readonly Metric[] = Object.values(all);
