import { meanLogLoss } from './log-loss.js';
import { defineMetric, singleMetric } from './metric.js';
import { explainOneClass } from './ranked.js';

/** Log loss divided by the entropy of the base rate, the log loss of predicting the base rate (He et al. 2014). */
export const normalizedEntropy = defineMetric({
  name: 'normalizedEntropy',
  summary: 'normalized entropy: log loss divided by that of the base rate (He et al. 2014)',
  options: () => ({}),
  build: () =>
    singleMetric('normalizedEntropy', 'classification', 'lower', (scores) => {
      const positives = scores.sum('labels');
      const none = explainOneClass(positives, scores.rows);
      if (none !== undefined) return none;
      const rate = positives / scores.rows;
      return meanLogLoss(scores) / -(rate * Math.log(rate) + (1 - rate) * Math.log1p(-rate));
    }),
});
