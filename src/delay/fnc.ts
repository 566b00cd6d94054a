import { fakeNegatives } from './fake-negatives.js';
import { defineDelay, MAX_PREDICTION } from './method.js';

/**
 * Fake negative calibration (Ktena et al. 2019, https://arxiv.org/abs/1907.06558): the log loss of the biased
 * stream estimates b = p / (1 + p), so p = b / (1 - b), which is e^z for the logit z of b.
 */
export const fnc = defineDelay({
  name: 'fnc',
  summary: 'fake negatives at the click, corrected in the prediction',
  options: () => ({}),

  build: () => ({
    columns: [],
    settled: [],
    outputs: 1,
    samples: fakeNegatives,
    rows: (g, logit, label) => g.crossEntropy(logit, label),
    predict: (g, logit) => g.clip(g.map(logit, 'exp'), 0, MAX_PREDICTION),
  }),
});
