import { byLabel, complement, constantProbability, negativeLoss, outputAt, positiveLoss } from './method.js';
import { defineObserved, lateLoss, classifyOutcome } from './observed.js';

/** Minimum of a divisor. */
const MIN_DIVISOR = 1e-6;
/**
 * The probability of a late conversion is at most the probability of a conversion, so the weight of a positive is at
 * most 2.
 */
const MAX_WEIGHT = 2;

/**
 * DEFER (Gu et al. 2021, https://arxiv.org/abs/2104.14121): every row is trained twice, with the label after
 * `wait`, and with the final one. A late conversion arrives at once, all others when the window ends. Importance
 * weights are f / (f - f_dp / 2) of positives and (1 - f) / (1 - f + f_dp / 2) of negatives. f is the prediction, and
 * f_dp the probability of a late conversion, an output of the task's tower.
 */
export const defer = defineObserved({
  name: 'defer',
  summary: 'label after wait and final label, corrected by importance weights',
  outputs: 2,
  samples(delayMs, waitMs, windowMs) {
    const { early, isLate } = classifyOutcome(delayMs, waitMs);
    return [
      { afterMs: waitMs, label: early, values: [1, 0, early] },
      ...(isLate ? [{ afterMs: delayMs!, label: 1, values: [1, 0, 0] } as const] : []),
      { afterMs: windowMs, label: delayMs === undefined ? 0 : 1, values: [isLate ? 0 : 1, 1, early] },
    ];
  },

  losses(g, out, label, early) {
    const [logit, late] = [outputAt(g, out, 0), outputAt(g, out, 1)];
    const f = constantProbability(g, logit, 'defer');
    const half = g.affine(constantProbability(g, late, 'late'), 0.5, 0);
    const divide = (a: typeof f, b: typeof f) => g.multiply(a, g.reciprocal(g.clip(b, MIN_DIVISOR, 2)));
    const positiveWeight = g.clip(divide(f, g.add(f, g.affine(half, -1, 0))), 1, MAX_WEIGHT);
    const negativeWeight = divide(complement(g, f), g.add(complement(g, f), half));
    const conversion = byLabel(
      g,
      label,
      positiveLoss(g, logit, g.stopGradient(positiveWeight)),
      negativeLoss(g, logit, g.stopGradient(negativeWeight)),
    );
    return { conversion, auxiliary: lateLoss(g, late, label, early) };
  },
});
