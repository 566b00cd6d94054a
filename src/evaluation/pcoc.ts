import { defineMetric, singleMetric, type NoValue } from './metric.js';
import { sumColumn, type Scores } from './scores.js';
import { influenceError, type Influence } from './standard-error.js';

/** Predicted clicks over observed clicks: mean prediction divided by mean label; 1 is calibrated. */
export const pcoc = defineMetric({
  name: 'pcoc',
  summary: 'predicted over observed positives; 1 is calibrated',
  isDefault: true,
  options: () => ({}),
  build: () =>
    singleMetric('pcoc', 'classification', 'none', overPositives, (scores, other) => {
      const value = overPositives(scores);
      return typeof value === 'number' ? influenceError(influenceOf, scores, other) : value;
    }),
});

function overPositives(scores: Scores): number | NoValue {
  const positives = sumColumn(scores, 'labels');
  return positives === 0
    ? { reason: `no positives among ${scores.rows} rows` }
    : sumColumn(scores, 'predictions') / positives;
}

/** Computes the influence function of the ratio of mean prediction to mean label, which must not be 0. */
function influenceOf(scores: Scores): Influence {
  const rate = sumColumn(scores, 'labels') / scores.rows;
  const value = sumColumn(scores, 'predictions') / scores.rows / rate;
  return (label, prediction) => (prediction - value * label) / rate;
}
