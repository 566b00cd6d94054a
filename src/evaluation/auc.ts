import { defineMetric } from './metric.js';
import { sortKeys } from './sort-keys.js';

/**
 * Area under the ROC curve: the share of pairs of a positive and a negative that the prediction ranks rightly, ties half
 * (Hanley & McNeil 1982). Exact: both classes are sorted and merged, which takes eight bytes a row while it lasts.
 */
export const auc = defineMetric({
  name: 'auc',
  taskType: 'classification',
  goal: 'higher',

  compute(scores) {
    // Negatives from the front, positives from the back.
    const keys = new Uint32Array(scores.rows);
    const floats = new Float32Array(keys.buffer);
    let numNegatives = 0;
    let positivesBegin = scores.rows;
    for (const { labels, predictions } of scores) {
      // Adding 0 makes 0 of -0.
      for (let row = 0; row < labels.length; row++) floats[labels[row] === 1 ? --positivesBegin : numNegatives++] = predictions[row]! + 0;
    }
    const numPositives = scores.rows - numNegatives;
    if (numPositives === 0 || numNegatives === 0) return { reason: `only one class: ${numPositives} positives among ${scores.rows} rows` };
    orderBits(keys);
    const negatives = keys.subarray(0, numNegatives);
    const positives = keys.subarray(numNegatives);
    const scratch = new Uint32Array(Math.max(numPositives, numNegatives));
    sortKeys(negatives, scratch);
    sortKeys(positives, scratch);
    return rightPairs(negatives, positives) / (2 * numPositives * numNegatives);
  },
});

/** Makes of the bits of floats whole numbers in the order of the floats: below 0 all bits are turned, else the sign alone. */
function orderBits(keys: Uint32Array): void {
  for (let i = 0; i < keys.length; i++) keys[i]! ^= (keys[i]! >> 31) | 0x80000000;
}

/** Twice the number of pairs of sorted keys that are ranked rightly, so that ties stay whole; below 2^53 up to 67 million of each class. */
function rightPairs(negatives: Uint32Array, positives: Uint32Array): number {
  let twice = 0;
  let below = 0;
  let notAbove = 0;
  for (let i = 0; i < positives.length; i++) {
    const key = positives[i]!;
    while (below < negatives.length && negatives[below]! < key) below++;
    if (notAbove < below) notAbove = below;
    while (notAbove < negatives.length && negatives[notAbove]! <= key) notAbove++;
    twice += below + notAbove;
  }
  return twice;
}
