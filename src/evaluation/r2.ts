import { defineMetric, mean } from './metric.js';
import { squaredErrors } from './rmse.js';

/** Coefficient of determination: the share of the labels' variance that the predictions explain. */
export const r2 = defineMetric({
  name: 'r2',
  taskType: 'regression',
  goal: 'higher',

  compute(labels, predictions) {
    const spread = squaredErrors(labels, new Float32Array(labels.length).fill(mean(labels)));
    return spread === 0 ? { reason: `all ${labels.length} labels are equal` } : 1 - squaredErrors(labels, predictions) / spread;
  },
});
