import { fakeNegatives } from './fake-negatives.js';
import { byLabel, complement, constantProbability, defineDelay, negativeLoss, positiveLoss } from './method.js';

/**
 * Fake negatives, weighted (Ktena et al. 2019, https://arxiv.org/abs/1907.06558): importance weights 1 + p of
 * positives and (1 - p)(1 + p) of negatives turn the biased stream into the true distribution. p is the prediction.
 */
export const fnw = defineDelay({
  name: 'fnw',
  summary: 'fake negatives at the click, corrected by importance weights',
  options: () => ({}),

  build: () => ({
    columns: [],
    settled: [],
    outputs: 1,
    samples: fakeNegatives,
    rows(g, logit, label) {
      const p = constantProbability(g, logit, 'fnw');
      const weight = g.affine(p, 1, 1);
      return byLabel(
        g,
        label,
        positiveLoss(g, logit, weight),
        negativeLoss(g, logit, g.multiply(weight, complement(g, p))),
      );
    },
  }),
});
