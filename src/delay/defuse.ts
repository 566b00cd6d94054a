import { byLabel, complement, constantProbability, negativeLoss, positiveLoss } from './method.js';
import { defineObserved, elapsedTimeSamples, lateLoss, realNegativeLoss, splitElapsedTime } from './observed.js';

/**
 * DEFUSE (Chen et al. 2022, https://arxiv.org/abs/2202.06472): the stream of ES-DFM, with a weight for each kind of
 * sample: 1 + f_dp for an early positive, and 1 for a late one. An observed negative counts f_dp as a positive with
 * probability z, and 1 + f_dp as a negative with 1 - z. z is the probability of a fake negative. The authors' code adds
 * the weights of early and late positives for both; here each has its own.
 */
export const defuse = defineObserved({
  name: 'defuse',
  summary: 'stream of es-dfm, with imputed labels of observed negatives',
  outputs: 3,
  samples: elapsedTimeSamples,

  losses(g, out, label, early) {
    const { logit, realNegative, late } = splitElapsedTime(g, out);
    const lateProbability = constantProbability(g, late, 'late');
    const real = constantProbability(g, realNegative, 'realNegative');
    const negative = g.add(
      positiveLoss(g, logit, g.multiply(complement(g, real), lateProbability)),
      negativeLoss(g, logit, g.multiply(real, g.affine(lateProbability, 1, 1))),
    );
    const positive = positiveLoss(g, logit, g.affine(g.multiply(early, lateProbability), 1, 1));
    const auxiliary = g.add(realNegativeLoss(g, realNegative, label, early), lateLoss(g, late, label, early));
    return { conversion: byLabel(g, label, positive, negative), auxiliary };
  },
});
