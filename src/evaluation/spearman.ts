import { createExactSum } from './exact-sum.js';
import { defineMetric, singleMetric } from './metric.js';
import { orderBits } from './ranked.js';
import type { Chunk } from './chunk.js';
import type { Scores } from './scores.js';
import { sortPairs } from './sort-keys.js';

/**
 * Spearman's rank correlation: Pearson's correlation of the ranks of labels and predictions; ties share their mean
 * rank.
 */
export const spearman = defineMetric({
  name: 'spearman',
  summary: "Spearman's rank correlation of labels and predictions",
  options: () => ({}),
  build: () =>
    singleMetric('spearman', 'regression', 'higher', (scores) => {
      const { rows } = scores;
      const scratch = { keys: new Uint32Array(rows), payload: new Uint32Array(rows) };
      const keys = encodeKeys(scores, 'predictions', new Uint32Array(rows));
      const payload = new Uint32Array(rows);
      for (let row = 0; row < rows; row++) payload[row] = row;
      sortPairs(keys, payload, scratch.keys, scratch.payload);
      // Twice the rank of each row's prediction, from 1, so that ties stay integers.
      const ranks = scratch.payload;
      const predicted = createExactSum();
      visitTies(keys, (begin, end) => {
        for (let i = begin; i < end; i++) ranks[payload[i]!] = begin + end + 1;
        predicted.add((end - begin) * (begin + end - rows) ** 2);
      });
      // Those ranks, sorted by label.
      encodeKeys(scores, 'labels', keys);
      sortPairs(keys, ranks, scratch.keys, payload);
      const [labeled, products] = [createExactSum(), createExactSum()];
      visitTies(keys, (begin, end) => {
        const fromMean = begin + end - rows;
        labeled.add((end - begin) * fromMean ** 2);
        for (let i = begin; i < end; i++) products.add((ranks[i]! - rows - 1) * fromMean);
      });
      const spread = Math.sqrt(predicted.value()) * Math.sqrt(labeled.value());
      if (spread > 0) return products.value() / spread;
      return { reason: `all ${rows} ${labeled.value() === 0 ? 'labels' : 'predictions'} are equal` };
    }),
});

/** Encodes a column as integers with the order of its floats. */
function encodeKeys(scores: Scores, column: 'labels' | 'predictions', keys: Uint32Array): Uint32Array {
  const floats = new Float32Array(keys.buffer);
  let index = 0;
  for (const chunk of scores as Iterable<Chunk>) {
    const values = chunk[column];
    // Adding 0 converts -0 to 0.
    for (let row = 0; row < values.length; row++) floats[index++] = values[row]! + 0;
  }
  orderBits(keys);
  return keys;
}

/** Visits runs of equal keys. */
function visitTies(keys: Uint32Array, take: (begin: number, end: number) => void): void {
  for (let begin = 0, end = 0; begin < keys.length; begin = end) {
    while (end < keys.length && keys[end] === keys[begin]) end++;
    take(begin, end);
  }
}
