import { z } from 'zod';
import { columnName } from '../core/conditions.js';
import { createExactSum } from './exact-sum.js';
import type { Metric } from './metric.js';
import type { Ranked } from './ranked.js';

/** The options of what looks at the best rows of each group. */
export const topKPerGroupOptions = {
  groupBy: columnName.describe('Group column, such as a user or query id'),
  k: z.int().min(1).max(1e6).describe('Number of top-ranked rows per group'),
};

/**
 * The mean of a number over the groups that have a positive; the others, of which no order is better, are counted
 * aside.
 * @param of a group; it must not depend on the order of rows of one prediction
 */
export function meanOfGroups(name: string, by: string, of: (group: Ranked) => number): Metric {
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
      let [groups, without] = [0, 0];
      scores.grouped(by).each((group) => {
        if (group.positives.length === 0) {
          without++;
          return;
        }
        groups++;
        sum.add(of(group));
      });
      return [
        groups === 0 ? { reason: `no group of '${by}' has a positive: ${without} have none` } : sum.value() / groups,
        groups,
        without,
      ];
    },
  };
}
