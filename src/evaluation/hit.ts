import { topKPerGroupOptions, defineGroupMetric } from './top-k-per-group.js';
import { defineMetric } from './metric.js';
import { walkDown } from './ranked.js';

/**
 * The share of groups with a positive in the top k rows. If predictions tie at position k, it is the probability for a
 * random order.
 */
export const hit = defineMetric({
  name: 'hit',
  summary: 'share of groups with a positive among their top k rows, as hit@10; also hit@10_groups',
  options: () => topKPerGroupOptions,
  build: ({ groupBy: by, k }) =>
    defineGroupMetric(`hit@${k}`, by, (group) => {
      let [left, missed] = [k, 1];
      walkDown(group, (numNegatives, numPositives) => {
        if (numNegatives + numPositives <= left) {
          if (numPositives > 0) missed = 0;
        } else {
          // Probability that `left` rows, drawn without replacement, are all negatives.
          for (let draw = 0; draw < left && missed > 0; draw++)
            missed *= Math.max(0, numNegatives - draw) / (numNegatives + numPositives - draw);
        }
        left -= numNegatives + numPositives;
        return left > 0 && missed > 0;
      });
      return 1 - missed;
    }),
});
