import { createExactSum } from './exact-sum.js';
import { defineMetric, singleMetric } from './metric.js';
import { influenceError } from './standard-error.js';

export const mae = defineMetric({
  name: 'mae',
  summary: 'mean absolute error',
  options: () => ({}),
  build: () =>
    singleMetric(
      'mae',
      'regression',
      'lower',
      (scores) => {
        const sum = createExactSum();
        for (const { labels, predictions } of scores) {
          for (let row = 0; row < labels.length; row++) sum.add(rowError(labels[row]!, predictions[row]!));
        }
        return sum.value() / scores.rows;
      },
      (scores, other) => influenceError(() => rowError, scores, other),
    ),
});

const rowError = (label: number, prediction: number): number => Math.abs(label - prediction);
