import { createExactSum } from './exact-sum.js';
import { defineMetric, singleMetric } from './metric.js';
import type { Scores } from './scores.js';
import { influenceError } from './standard-error.js';

/** Probabilities are clamped this far from 0 and 1; the float spacing below 1 is 6e-8. */
export const CLIP = 1e-7;
const MAX_PROBABILITY = 1 - CLIP;

/** Mean negative log likelihood of the labels, natural logarithm. */
export const logLoss = defineMetric({
  name: 'logLoss',
  summary: 'mean negative log-likelihood of the labels',
  isDefault: true,
  options: () => ({}),
  build: () =>
    singleMetric('logLoss', 'classification', 'lower', meanLogLoss, (scores, other) =>
      influenceError(() => rowLoss, scores, other),
    ),
});

/** Computes −log p for the label 1 and −log(1 − p) for the label 0. */
function rowLoss(label: number, prediction: number): number {
  const p = Math.min(Math.max(prediction, CLIP), MAX_PROBABILITY);
  return label === 1 ? -Math.log(p) : -Math.log1p(-p);
}

/** Computes the mean log loss. */
export function meanLogLoss(scores: Scores): number {
  const sum = createExactSum();
  let losses = new Float64Array(0);
  for (const { labels, predictions } of scores) {
    if (losses.length < labels.length) losses = new Float64Array(labels.length);
    putLosses(labels, predictions, losses);
    sum.addAll(losses, labels.length);
  }
  return sum.value() / scores.rows;
}

/** Repeats `rowLoss` inline: a short run measures before V8 optimizes calls. */
function putLosses(labels: Float32Array, predictions: Float32Array, losses: Float64Array): void {
  const { length } = labels;
  for (let row = 0; row < length; row++) {
    const prediction = predictions[row]!;
    const p = prediction < CLIP ? CLIP : prediction > MAX_PROBABILITY ? MAX_PROBABILITY : prediction;
    losses[row] = labels[row] === 1 ? -Math.log(p) : -Math.log1p(-p);
  }
}
