import { byLabel, constantProbability, negativeLoss, positiveLoss } from './method.js';
import { defineObserved, elapsedTimeSamples, lateLoss, realNegativeLoss, splitElapsedTime } from './observed.js';

/**
 * Elapsed-time sampling (Yang et al. 2021, https://arxiv.org/abs/2012.03245): importance weights 1 + f_dp of positives
 * and (1 + f_dp) f_rn of observed negatives. f_dp is the probability of a late conversion, and f_rn the probability of
 * a real negative among observed ones. The authors train both on older data before the stream; here they are outputs of
 * the task's tower, which train on each row when its window ends.
 */
export const esDfm = defineObserved({
  name: 'es-dfm',
  summary: 'label after wait and late conversions, corrected by importance weights',
  outputs: 3,
  samples: elapsedTimeSamples,

  losses(g, out, label, early) {
    const { logit, realNegative, late } = splitElapsedTime(g, out);
    const weight = g.affine(constantProbability(g, late, 'late'), 1, 1);
    const negativeWeight = g.multiply(weight, constantProbability(g, realNegative, 'realNegative'));
    const conversion = byLabel(g, label, positiveLoss(g, logit, weight), negativeLoss(g, logit, negativeWeight));
    const auxiliary = g.add(realNegativeLoss(g, realNegative, label, early), lateLoss(g, late, label, early));
    return { conversion, auxiliary };
  },
});
