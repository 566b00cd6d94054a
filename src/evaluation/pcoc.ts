import { defineMetric, singleMetric, type NoValue } from './metric.js';
import type { Scores } from './scores.js';
import { influenceError, type Influence } from './standard-error.js';

/** Predicted clicks over observed clicks: mean prediction divided by mean label; 1 is calibrated. */
export const pcoc = defineMetric({
  name: 'pcoc',
  summary: 'predicted over observed positives; 1 is calibrated',
  isDefault: true,
  options: () => ({}),
  build: () =>
    singleMetric('pcoc', 'classification', 'none', computePcoc, (scores, other) => {
      const value = computePcoc(scores);
      return typeof value === 'number' ? influenceError(computeInfluence, scores, other) : value;
    }),
});

function computePcoc(scores: Scores): number | NoValue {
  const positives = scores.sum('labels');
  return positives === 0 ? { reason: `no positives among ${scores.rows} rows` } : scores.sum('predictions') / positives;
}

/** Computes the influence function of the ratio of mean prediction to mean label, which must not be 0. */
function computeInfluence(scores: Scores): Influence {
  const rate = scores.sum('labels') / scores.rows;
  const value = scores.sum('predictions') / scores.rows / rate;
  return (label, prediction) => (prediction - value * label) / rate;
}
