import { parseDuration } from '../core/duration.js';
import { complement, constantProbability, defineDelay, outputAt } from './method.js';
import { addAuxiliary, nameColumns, OBSERVED_COLUMNS, OBSERVED_SETTLED, outcomeOf } from './observed.js';
import { waitOption } from './options.js';

/**
 * Unbiased label correction (Wang et al. 2023, https://arxiv.org/abs/2307.12756): an observed negative has
 * the label w, the probability that it converts later. The authors train w on rows of a past deadline, in turn with the
 * conversion, and it depends on the elapsed time. In this stream the elapsed time is always `wait`, and w is an output
 * of the task's tower, which trains on each row when its window ends. A row trains the conversion once.
 */
export const ulc = defineDelay({
  name: 'ulc',
  summary: 'label after wait, with the probability of a later conversion as label of negatives',
  options: () => ({ wait: waitOption }),

  build({ wait }, windowMs) {
    const waitMs = parseDuration(wait);
    return {
      columns: OBSERVED_COLUMNS,
      settled: OBSERVED_SETTLED,
      outputs: 2,
      samples(delayMs) {
        const { early } = outcomeOf(delayMs, waitMs);
        return [
          { afterMs: waitMs, label: early, values: [1, 0, early] },
          { afterMs: windowMs, label: delayMs === undefined ? 0 : 1, values: [0, 1, early] },
        ];
      },
      rows(g, out, label, columns) {
        const observed = nameColumns(columns);
        const [logit, correction] = [outputAt(g, out, 0), outputAt(g, out, 1)];
        const later = constantProbability(g, correction, 'correction');
        const corrected = g.add(label, g.multiply(complement(g, label), later));
        const auxiliary = g.multiply(g.crossEntropy(correction, label), complement(g, observed.early));
        return addAuxiliary(g, g.crossEntropy(logit, corrected), auxiliary, observed);
      },
    };
  },
});
