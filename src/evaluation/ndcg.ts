import { topKPerGroupOptions, defineGroupMetric } from './top-k-per-group.js';
import { defineMetric } from './metric.js';
import { walkDown } from './ranked.js';

/**
 * Normalized discounted cumulative gain: Σ y / log2(1 + rank) over the top k rows of a group, divided by the gain of
 * the ideal order (Järvelin & Kekäläinen 2002), averaged over groups. Tied rows share the mean discount of their ranks
 * (McSherry & Najork 2008).
 */
export const ndcg = defineMetric({
  name: 'ndcg',
  summary: 'mean normalized discounted cumulative gain of the top k rows per group, as ndcg@10; also ndcg@10_groups',
  options: () => topKPerGroupOptions,
  build({ groupBy: by, k }) {
    /** Cumulative discounts, extended on demand. */
    const sums = [0];
    const discounts = (ranks: number): number => {
      const end = Math.min(ranks, k);
      while (sums.length <= end) sums.push(sums.at(-1)! + 1 / Math.log2(sums.length + 1));
      return sums[end]!;
    };
    return defineGroupMetric(`ndcg@${k}`, by, (group) => {
      let [rank, gain] = [0, 0];
      walkDown(group, (numNegatives, numPositives) => {
        const size = numNegatives + numPositives;
        gain += (numPositives / size) * (discounts(rank + size) - discounts(rank));
        rank += size;
        return rank < k;
      });
      return gain / discounts(group.positives.length);
    });
  },
});
