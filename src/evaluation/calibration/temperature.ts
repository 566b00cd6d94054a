import { fitLogistic } from './fit-logistic.js';
import { defineMethod } from './method.js';

/** Bounds the temperature, and its inverse: beyond, predictions are all certain or all 0.5. */
const MAX_TEMPERATURE = 1000;

/**
 * Temperature scaling: divides the logit, which changes confidence and keeps 0.5 fixed (Guo et al. 2017,
 * https://arxiv.org/abs/1706.04599). It cannot correct a biased rate.
 */
export const temperature = defineMethod({
  name: 'temperature',
  summary: 'temperature scaling: divides the logit by one fitted number',
  options: () => ({}),
  build: () => (ranked) =>
    fitLogistic(ranked, {
      targets: { positive: 1, negative: 0 },
      hasIntercept: false,
      slopes: { min: 1 / MAX_TEMPERATURE, max: MAX_TEMPERATURE },
    }),
});
