import { createExactSum } from './exact-sum.js';
import { defineMetric, singleMetric } from './metric.js';
import type { Scores } from './scores.js';
import { influenceError } from './standard-error.js';

/** Probabilities are kept this far from 0 and 1: a float's own distance to 1 is 6e-8. */
export const CLIP = 1e-7;

/** Mean negative log likelihood of the labels, natural logarithm. */
export const logLoss = defineMetric({
  name: 'logLoss',
  summary: 'mean negative log likelihood of the labels',
  isDefault: true,
  options: {},
  build: () => singleMetric('logLoss', 'classification', 'lower', meanLogLoss, (scores, other) => influenceError(() => rowLoss, scores, other)),
});

/** −log p where the label is 1 and −log(1 − p) where it is 0. */
function rowLoss(label: number, prediction: number): number {
  const p = Math.min(Math.max(prediction, CLIP), 1 - CLIP);
  return label === 1 ? -Math.log(p) : -Math.log1p(-p);
}

/** The mean of −log p where the label is 1 and −log(1 − p) where it is 0. */
export function meanLogLoss(scores: Scores): number {
  const sum = createExactSum();
  for (const { labels, predictions } of scores) {
    for (let row = 0; row < labels.length; row++) sum.add(rowLoss(labels[row]!, predictions[row]!));
  }
  return sum.value() / scores.rows;
}
