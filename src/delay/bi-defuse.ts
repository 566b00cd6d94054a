import { parseDuration } from '../core/duration.js';
import type { Value } from '../graph/operations.js';
import {
  byLabel,
  complement,
  constantProbability,
  defineDelay,
  MAX_PREDICTION,
  negativeLoss,
  outputAt,
  positiveLoss,
} from './method.js';
import { classifyOutcome } from './observed.js';
import { waitOption } from './options.js';

/**
 * Bi-DEFUSE (Chen et al. 2022, https://arxiv.org/abs/2202.06472): the probability is the sum of two outputs, the
 * probability of a conversion within `wait` and the probability of a later one. The label after `wait` is the final one
 * of the first output. The stream is the stream of ES-DFM, in which the second output has one positive per later
 * conversion, and a negative per row. With the probability p of the second output, such a negative counts p as a
 * positive with probability p, and 1 + p as a negative with 1 - p. As in the authors' code, except that the loss of the
 * first output is divided by the number of all samples, not by the number of first samples.
 */
export const biDefuse = defineDelay({
  name: 'bi-defuse',
  summary: 'sum of two probabilities: a conversion within wait, and a later one as in defuse',
  options: () => ({ wait: waitOption }),

  build({ wait }) {
    const waitMs = parseDuration(wait);
    return {
      columns: ['first'],
      settled: [1],
      outputs: 2,
      samples(delayMs) {
        const { early, isLate } = classifyOutcome(delayMs, waitMs);
        return [
          { afterMs: waitMs, label: early, values: [1] },
          ...(isLate ? [{ afterMs: delayMs!, label: 1, values: [0] } as const] : []),
        ];
      },
      rows(g, out, label, columns) {
        const [first] = columns as [Value];
        const [within, later] = [outputAt(g, out, 0), outputAt(g, out, 1)];
        const p = constantProbability(g, later, 'later');
        const square = g.multiply(p, p);
        const positive = g.map(g.affine(later, -1, 0), 'softplus');
        const negative = g.add(positiveLoss(g, later, square), negativeLoss(g, later, complement(g, square)));
        return g.add(
          g.multiply(g.crossEntropy(within, label), first),
          byLabel(g, complement(g, first), positive, negative),
        );
      },
      predict(g, out) {
        const [within, later] = [outputAt(g, out, 0), outputAt(g, out, 1)];
        const sum = g.add(g.activation(within, 'sigmoid', 'within'), g.activation(later, 'sigmoid', 'later'));
        return g.clip(sum, 0, MAX_PREDICTION);
      },
    };
  },
});
