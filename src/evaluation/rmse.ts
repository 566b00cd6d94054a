import { createExactSum } from './exact-sum.js';
import { defineMetric, singleMetric } from './metric.js';
import type { Scores } from './scores.js';
import { influenceError, type Influence } from './standard-error.js';

/** Root mean squared error. */
export const rmse = defineMetric({
  name: 'rmse',
  summary: 'root mean squared error',
  isDefault: true,
  options: () => ({}),
  build: () =>
    singleMetric('rmse', 'regression', 'lower', computeRmse, (scores, other) =>
      influenceError(computeInfluence, scores, other),
    ),
});

function computeRmse(scores: Scores): number {
  return Math.sqrt(sumSquaredErrors(scores) / scores.rows);
}

/** Computes the influence function: the derivative of the square root; 0 if there are no errors. */
function computeInfluence(scores: Scores): Influence {
  const rmseValue = computeRmse(scores);
  return rmseValue === 0 ? () => 0 : (label, prediction) => (label - prediction) ** 2 / (2 * rmseValue);
}

/** Computes the sum of squared errors of the predictions, or of the constant `guess`. */
export function sumSquaredErrors(scores: Scores, guess?: number): number {
  const sum = createExactSum();
  for (const { labels, predictions } of scores) {
    for (let row = 0; row < labels.length; row++) sum.add((labels[row]! - (guess ?? predictions[row]!)) ** 2);
  }
  return sum.value();
}
