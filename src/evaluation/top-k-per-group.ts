import { z } from 'zod';
import { columnName } from '../core/conditions.js';
import { createExactSum } from './exact-sum.js';
import type { Metric } from './metric.js';
import type { Ranked } from './ranked.js';

/** Options of metrics of the top rows of each group. */
export const topKPerGroupOptions = {
  groupBy: columnName.describe('Group column, such as a user or query id'),
  k: z.int().min(1).max(1e6).describe('Number of top-ranked rows per group'),
};

/**
 * Creates a metric that is the mean of a function over groups with a positive; other groups are counted separately,
 * since every order of them is equal.
 * @param computeGroup value of a group; must not depend on the order of tied rows
 */
export function defineGroupMetric(name: string, by: string, computeGroup: (group: Ranked) => number): Metric {
  return {
    taskType: 'classification',
    by,
    values: [
      { name, goal: 'higher' },
      { name: `${name}_groups`, goal: 'none' },
      { name: `${name}_noPositiveGroups`, goal: 'none' },
    ],
    compute(scores) {
      const sum = createExactSum();
      let [groups, groupsWithout] = [0, 0];
      scores.grouped(by).each((group) => {
        if (group.positives.length === 0) {
          groupsWithout++;
          return;
        }
        groups++;
        sum.add(computeGroup(group));
      });
      return [
        groups === 0
          ? { reason: `no group of '${by}' has a positive: ${groupsWithout} have none` }
          : sum.value() / groups,
        groups,
        groupsWithout,
      ];
    },
  };
}
