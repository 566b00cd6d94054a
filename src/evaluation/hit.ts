import { topKPerGroupOptions, meanOfGroups } from './top-k-per-group.js';
import { defineMetric } from './metric.js';
import { walkDown } from './ranked.js';

/**
 * The share of groups with a positive among their k best rows. Where the last of these are of one prediction with
 * others, it counts how often
 * a random choice would have one.
 */
export const hit = defineMetric({
  name: 'hit',
  summary: 'share of groups with a positive among their top k rows, as hit@10; also hit@10_groups',
  options: () => topKPerGroupOptions,
  build: ({ groupBy: by, k }) =>
    meanOfGroups(`hit@${k}`, by, (group) => {
      let [left, missed] = [k, 1];
      walkDown(group, (numNegatives, numPositives) => {
        if (numNegatives + numPositives <= left) {
          if (numPositives > 0) missed = 0;
        } else {
          // Drawing `left` rows without putting them back, all of them negatives.
          for (let drawn = 0; drawn < left && missed > 0; drawn++)
            missed *= Math.max(0, numNegatives - drawn) / (numNegatives + numPositives - drawn);
        }
        left -= numNegatives + numPositives;
        return left > 0 && missed > 0;
      });
      return 1 - missed;
    }),
});
