import { topKPerGroupOptions, meanOfGroups } from './top-k-per-group.js';
import { defineMetric } from './metric.js';
import { walkDown } from './ranked.js';

/**
 * Normalised discounted cumulative gain: Σ y / log2(1 + place) over the k best rows of a group, over what the best
 * order has
 * (Järvelin & Kekäläinen 2002), averaged over groups. Rows of one prediction share the mean of their places' discounts
 * (McSherry & Najork 2008).
 */
export const ndcg = defineMetric({
  name: 'ndcg',
  summary: 'mean normalized discounted cumulative gain of the top k rows per group, as ndcg@10; also ndcg@10_groups',
  options: () => topKPerGroupOptions,
  build({ groupBy: by, k }) {
    /** Sums of the discounts of the first places, as far as groups have rows. */
    const sums = [0];
    const discounts = (places: number): number => {
      const end = Math.min(places, k);
      while (sums.length <= end) sums.push(sums.at(-1)! + 1 / Math.log2(sums.length + 1));
      return sums[end]!;
    };
    return meanOfGroups(`ndcg@${k}`, by, (group) => {
      let [place, gain] = [0, 0];
      walkDown(group, (numNegatives, numPositives) => {
        const size = numNegatives + numPositives;
        gain += (numPositives / size) * (discounts(place + size) - discounts(place));
        place += size;
        return place < k;
      });
      return gain / discounts(group.positives.length);
    });
  },
});
