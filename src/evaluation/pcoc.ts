import { defineMetric, singleMetric } from './metric.js';
import { sumOf } from './scores.js';

/** Predicted clicks over clicks: the mean prediction over the mean label; 1 is calibrated. */
export const pcoc = defineMetric({
  name: 'pcoc',
  summary: 'predicted positives over positives; 1 is calibrated',
  isDefault: true,
  options: {},
  build: () =>
    singleMetric('pcoc', 'classification', 'none', (scores) => {
      const positives = sumOf(scores, 'labels');
      return positives === 0 ? { reason: `no positives among ${scores.rows} rows` } : sumOf(scores, 'predictions') / positives;
    }),
});
