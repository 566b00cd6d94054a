import { z } from 'zod';
import { groupByOption } from './group-by-option.js';
import { subtract, defineLoss, probability } from './loss.js';

/**
 * Joint optimization of ranking and calibration (Sheng et al. 2023, https://arxiv.org/abs/2208.06164). A tower outputs
 * two logits, f₀ and f₁, and p = σ(f₁ - f₀). The loss is α times the log loss of p plus 1 - α times a ranking loss:
 * -log of the softmax, over the rows of the group, of the logit of the row's own label. The mean is over all rows that
 * count.
 */
export const jrc = defineLoss({
  name: 'jrc',
  summary:
    'joint optimization of ranking and calibration: log loss plus a ranking loss within groups (Sheng et al. 2023)',
  options: () => ({
    groupBy: groupByOption,
    alpha: z.number().min(0).max(1).default(0.5).describe('Weight of the log loss; the ranking loss has 1 − alpha'),
  }),
  taskTypes: ['classification'],
  outputKind: 'probability',
  takesScaling: false,

  build: ({ groupBy, alpha }) => ({
    outputs: 2,
    groupBy,
    predict: (g, out, task) => probability(g, subtract(g, g.slice(out, 1, 1), g.slice(out, 0, 1)), task),
    rows(g, out, label, groups) {
      const [negativeLogit, positiveLogit] = [0, 1].map((column) => g.slice(out, column, 1)) as [
        ReturnType<typeof g.slice>,
        ReturnType<typeof g.slice>,
      ];
      const y = g.stopGradient(label);
      const logLoss = g.crossEntropy(subtract(g, positiveLogit, negativeLogit), label);
      const negLogShare = (logit: typeof positiveLogit) => subtract(g, g.groupLogSumExp(logit, groups!), logit);
      const rank = g.add(
        g.multiply(y, negLogShare(positiveLogit)),
        g.multiply(g.affine(y, -1, 1), negLogShare(negativeLogit)),
      );
      return g.add(g.affine(logLoss, alpha, 0), g.affine(rank, 1 - alpha, 0));
    },
  }),
});
