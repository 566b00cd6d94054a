import { createExactSum } from './exact-sum.js';
import { defineMetric, singleMetric } from './metric.js';
import type { Scores } from './scores.js';

/** Root of the mean squared error. */
export const rmse = defineMetric({
  name: 'rmse',
  summary: 'root of the mean squared error',
  isDefault: true,
  options: {},
  build: () => singleMetric('rmse', 'regression', 'lower', (scores) => Math.sqrt(squaredErrors(scores) / scores.rows)),
});

/** Sum of the labels' squared distances to the predictions, or to `guess` where one is given for all. */
export function squaredErrors(scores: Scores, guess?: number): number {
  const sum = createExactSum();
  for (const { labels, predictions } of scores) {
    for (let row = 0; row < labels.length; row++) sum.add((labels[row]! - (guess ?? predictions[row]!)) ** 2);
  }
  return sum.value();
}
