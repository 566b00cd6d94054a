import { complement, constantProbability, outputAt } from './method.js';
import { defineObserved, classifyOutcome } from './observed.js';

/**
 * Unbiased label correction (Wang et al. 2023, https://arxiv.org/abs/2307.12756): an observed negative has
 * the label w, the probability that it converts later. The authors train w on rows of a past deadline, in turn with the
 * conversion, and it depends on the elapsed time. In this stream the elapsed time is always `wait`, and w is an output
 * of the task's tower, which trains on each row when its window ends. A row trains the conversion once.
 */
export const ulc = defineObserved({
  name: 'ulc',
  summary: 'label after wait, with the probability of a later conversion as label of negatives',
  outputs: 2,
  samples(delayMs, waitMs, windowMs) {
    const { early } = classifyOutcome(delayMs, waitMs);
    return [
      { afterMs: waitMs, label: early, values: [1, 0, early] },
      { afterMs: windowMs, label: delayMs === undefined ? 0 : 1, values: [0, 1, early] },
    ];
  },

  losses(g, out, label, early) {
    const [logit, correction] = [outputAt(g, out, 0), outputAt(g, out, 1)];
    const later = constantProbability(g, correction, 'correction');
    const corrected = g.add(label, g.multiply(complement(g, label), later));
    const auxiliary = g.multiply(g.crossEntropy(correction, label), complement(g, early));
    return { conversion: g.crossEntropy(logit, corrected), auxiliary };
  },
});
