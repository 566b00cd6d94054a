import { defineMetric } from './metric.js';

/** Probabilities are kept this far from 0 and 1: a float's own distance to 1 is 6e-8. */
const CLIP = 1e-7;

/** Mean negative log likelihood of the labels, natural logarithm. */
export const logLoss = defineMetric({
  name: 'logLoss',
  taskType: 'classification',
  goal: 'lower',
  toLoss: (value) => value,

  compute(labels, predictions) {
    let sum = 0;
    for (let row = 0; row < labels.length; row++) {
      const p = Math.min(Math.max(predictions[row]!, CLIP), 1 - CLIP);
      sum -= labels[row] === 1 ? Math.log(p) : Math.log1p(-p);
    }
    return sum / labels.length;
  },
});
