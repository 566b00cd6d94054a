import { defineMetric, mean } from './metric.js';

/** Predicted clicks over clicks: the mean prediction over the mean label; 1 is calibrated. */
export const pcoc = defineMetric({
  name: 'pcoc',
  taskType: 'classification',
  goal: 'none',

  compute(labels, predictions) {
    const rate = mean(labels);
    return rate === 0 ? { reason: `no positives among ${labels.length} rows` } : mean(predictions) / rate;
  },
});
