import { z } from 'zod';
import { byOption } from './by-option.js';
import { above, defineLoss, probability } from './loss.js';

/**
 * Joint optimisation of ranking and calibration (Sheng et al. 2023, https://arxiv.org/abs/2208.06164):
 * a tower says two logits, f₀ and f₁, and p = σ(f₁ - f₀). α times the log loss of p makes it a probability; 1 - α times
 * -log of the share that a
 * row has, of the logit of its own label, in the softmax over the rows of its group ranks within the group. The mean is
 * over all rows that count.
 */
export const jrc = defineLoss({
  name: 'jrc',
  summary:
    'joint optimization of ranking and calibration: log loss plus a ranking loss within groups (Sheng et al. 2023)',
  options: () => ({
    by: byOption,
    alpha: z.number().min(0).max(1).default(0.5).describe('Weight of the log loss; the ranking loss has 1 − alpha'),
  }),
  taskTypes: ['classification'],
  says: 'probability',
  takesScaling: false,

  build: ({ by, alpha }) => ({
    outputs: 2,
    by,
    predict: (g, out, task) => probability(g, above(g, g.slice(out, 1, 1), g.slice(out, 0, 1)), task),
    rows(g, out, label, groups) {
      const [ofNegatives, ofPositives] = [0, 1].map((column) => g.slice(out, column, 1)) as [
        ReturnType<typeof g.slice>,
        ReturnType<typeof g.slice>,
      ];
      const y = g.stopGradient(label);
      const logLoss = g.crossEntropy(above(g, ofPositives, ofNegatives), label);
      const share = (logit: typeof ofPositives) => above(g, g.groupLogSumExp(logit, groups!), logit);
      const rank = g.add(g.multiply(y, share(ofPositives)), g.multiply(g.affine(y, -1, 1), share(ofNegatives)));
      return g.add(g.affine(logLoss, alpha, 0), g.affine(rank, 1 - alpha, 0));
    },
  }),
});
