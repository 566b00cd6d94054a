import { columnName } from '../core/conditions.js';
import { countRightPairs } from './auc.js';
import { createExactSum } from './exact-sum.js';
import { defineMetric } from './metric.js';

/**
 * AUC within groups, such as the rows of a user: its mean over groups, weighted by rows (Zhou et al. 2018) and
 * unweighted. A group with one class has no pairs; it is excluded from both means and counted separately.
 */
export const gauc = defineMetric({
  name: 'gauc',
  summary:
    'mean AUC over the groups of a column, weighted by rows (Zhou et al. 2018); ' +
    'also gauc_mean, gauc_groups, gauc_rows and gauc_oneClassGroups',
  options: () => ({
    groupBy: columnName.describe('Group column, as in user_id; grouped by raw values'),
  }),
  build: ({ groupBy: by }) => ({
    taskType: 'classification',
    by,
    values: [
      { name: 'gauc', goal: 'higher' },
      { name: 'gauc_mean', goal: 'higher' },
      { name: 'gauc_groups', goal: 'none' },
      { name: 'gauc_rows', goal: 'none' },
      { name: 'gauc_oneClassGroups', goal: 'none' },
    ],
    compute(scores) {
      const weighted = createExactSum();
      const plain = createExactSum();
      let [groups, rows, oneClassGroups] = [0, 0, 0];
      scores.grouped(by).each((group) => {
        const [numNegatives, numPositives] = [group.negatives.length, group.positives.length];
        if (numNegatives === 0 || numPositives === 0) {
          oneClassGroups++;
          return;
        }
        const value = countRightPairs(group) / (2 * numPositives * numNegatives);
        groups++;
        rows += numNegatives + numPositives;
        plain.add(value);
        weighted.add((numNegatives + numPositives) * value);
      });
      const none = { reason: `no group of '${by}' has both classes: ${oneClassGroups} have one` };
      return [
        ...(groups === 0 ? [none, none] : [weighted.value() / rows, plain.value() / groups]),
        groups,
        rows,
        oneClassGroups,
      ];
    },
  }),
});
