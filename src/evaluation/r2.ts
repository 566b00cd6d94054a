import { defineMetric, singleMetric } from './metric.js';
import { sumSquaredErrors } from './rmse.js';

/** Coefficient of determination: share of the label variance that the predictions explain. */
export const r2 = defineMetric({
  name: 'r2',
  summary: 'coefficient of determination: share of the label variance that the predictions explain',
  isDefault: true,
  options: () => ({}),
  build: () =>
    singleMetric('r2', 'regression', 'higher', (scores) => {
      const mean = scores.sum('labels') / scores.rows;
      const spread = sumSquaredErrors(scores, mean);
      return spread === 0 ? { reason: `all ${scores.rows} labels are equal` } : 1 - sumSquaredErrors(scores) / spread;
    }),
});
