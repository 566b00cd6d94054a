import { z } from 'zod';
import { defineLoss, margin, probability } from './loss.js';

/**
 * Focal loss (Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 4 and 5): (1 - p)^γ times the log loss, with p the
 * probability of the label, so that rows with correct predictions count less. For a margin m (the logit, negated if the
 * label is 0) it is e^(-γ log(1 + e^m)) log(1 + e^-m), which is stable at any logit.
 */
export const focal = defineLoss({
  name: 'focal',
  summary: 'focal loss: log loss with less weight on easy rows',
  options: () => ({
    gamma: z.number().min(0).default(2).describe('Focusing exponent; 0 gives log loss'),
    alpha: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('Weight of positives, 1 − alpha for negatives; default: unweighted'),
  }),
  taskTypes: ['classification'],
  outputKind: 'logit',
  takesScaling: false,

  build: ({ gamma, alpha }) => ({
    outputs: 1,
    predict: probability,
    rows(g, logit, label) {
      const m = margin(g, logit, label);
      const loss = g.multiply(
        g.map(g.affine(g.map(m, 'softplus'), -gamma, 0), 'exp'),
        g.map(g.affine(m, -1, 0), 'softplus'),
      );
      return alpha === undefined ? loss : g.multiply(loss, g.stopGradient(g.affine(label, 2 * alpha - 1, 1 - alpha)));
    },
  }),
});
