import { defineMetric } from './metric.js';

/** Root of the mean squared error. */
export const rmse = defineMetric({
  name: 'rmse',
  taskType: 'regression',
  goal: 'lower',
  toLoss: (value) => value ** 2,
  compute: (labels, predictions) => Math.sqrt(squaredErrors(labels, predictions) / labels.length),
});

/** Sum of squared errors. */
export function squaredErrors(labels: Float32Array, predictions: Float32Array): number {
  let sum = 0;
  for (let row = 0; row < labels.length; row++) sum += (predictions[row]! - labels[row]!) ** 2;
  return sum;
}
