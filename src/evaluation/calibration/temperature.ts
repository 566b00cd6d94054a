import { fitLogistic } from './fit-logistic.js';
import { defineMethod } from './method.js';

/** Temperatures are looked for from one over it to it: beyond them, predictions are all sure or all one half. */
const MAX_TEMPERATURE = 1000;

/**
 * The logit over a temperature, which makes predictions more or less sure and leaves one half where it is (Guo et al.
 * 2017,
 * https://arxiv.org/abs/1706.04599). It cannot mend a rate that is wrong.
 */
export const temperature = defineMethod({
  name: 'temperature',
  summary: 'temperature scaling: divides the logit by one fitted number',
  options: () => ({}),
  build: () => (ranked) =>
    fitLogistic(ranked, {
      targets: { positive: 1, negative: 0 },
      hasIntercept: false,
      slopes: { least: 1 / MAX_TEMPERATURE, most: MAX_TEMPERATURE },
    }),
});
