import { parseDuration } from '../core/duration.js';
import { byLabel, constantProbability, defineDelay, negativeLoss, positiveLoss } from './method.js';
import {
  addAuxiliary,
  elapsedTimeSamples,
  lateLoss,
  nameColumns,
  OBSERVED_COLUMNS,
  OBSERVED_SETTLED,
  realNegativeLoss,
  splitElapsedTime,
} from './observed.js';
import { waitOption } from './options.js';

/**
 * Elapsed-time sampling (Yang et al. 2021, https://arxiv.org/abs/2012.03245): importance weights 1 + f_dp of
 * positives and (1 + f_dp) f_rn of observed negatives. f_dp is the probability of a late conversion, and f_rn that of a
 * real negative among observed ones. The authors train both on older data before the stream; here they are outputs of
 * the task's tower, which train on each row when its window ends.
 */
export const esDfm = defineDelay({
  name: 'es-dfm',
  summary: 'label after wait and late conversions, corrected by importance weights',
  options: () => ({ wait: waitOption }),

  build({ wait }, windowMs) {
    const waitMs = parseDuration(wait);
    return {
      columns: OBSERVED_COLUMNS,
      settled: OBSERVED_SETTLED,
      outputs: 3,
      samples: (delayMs) => elapsedTimeSamples(delayMs, waitMs, windowMs),
      rows(g, out, label, columns) {
        const observed = nameColumns(columns);
        const { logit, realNegative, late } = splitElapsedTime(g, out);
        const weight = g.affine(constantProbability(g, late, 'late'), 1, 1);
        const negativeWeight = g.multiply(weight, constantProbability(g, realNegative, 'realNegative'));
        const loss = byLabel(g, label, positiveLoss(g, logit, weight), negativeLoss(g, logit, negativeWeight));
        const auxiliary = g.add(realNegativeLoss(g, realNegative, label, observed), lateLoss(g, late, label, observed));
        return addAuxiliary(g, loss, auxiliary, observed);
      },
    };
  },
});
