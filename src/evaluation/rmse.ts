import { createExactSum } from './exact-sum.js';
import { defineMetric, singleMetric } from './metric.js';
import type { Scores } from './scores.js';
import { influenceError, type Influence } from './standard-error.js';

/** Root of the mean squared error. */
export const rmse = defineMetric({
  name: 'rmse',
  summary: 'root mean squared error',
  isDefault: true,
  options: () => ({}),
  build: () =>
    singleMetric('rmse', 'regression', 'lower', rootOfMean, (scores, other) =>
      influenceError(influenceOf, scores, other),
    ),
});

function rootOfMean(scores: Scores): number {
  return Math.sqrt(squaredErrors(scores) / scores.rows);
}

/** The derivative of a root is 1 over twice the root; without errors there is nothing to move. */
function influenceOf(scores: Scores): Influence {
  const root = rootOfMean(scores);
  return root === 0 ? () => 0 : (label, prediction) => (label - prediction) ** 2 / (2 * root);
}

/** Sum of the labels' squared distances to the predictions, or to `guess` where one is given for all. */
export function squaredErrors(scores: Scores, guess?: number): number {
  const sum = createExactSum();
  for (const { labels, predictions } of scores) {
    for (let row = 0; row < labels.length; row++) sum.add((labels[row]! - (guess ?? predictions[row]!)) ** 2);
  }
  return sum.value();
}
