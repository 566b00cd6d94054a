import { defineMetric } from './metric.js';

/**
 * Area under the ROC curve: the share of pairs of a positive and a negative that the prediction ranks rightly, ties half
 * (Hanley & McNeil 1982). Exact: both classes are sorted and merged.
 */
export const auc = defineMetric({
  name: 'auc',
  taskType: 'classification',
  goal: 'higher',

  compute(labels, predictions) {
    const positives = predictions.filter((_, row) => labels[row] === 1).sort();
    const negatives = predictions.filter((_, row) => labels[row] !== 1).sort();
    if (positives.length === 0 || negatives.length === 0) {
      return { reason: `only one class: ${positives.length} positives among ${labels.length} rows` };
    }
    // Twice the number of right pairs, so that ties stay whole; below 2^53 up to 67 million of each class.
    let twiceRight = 0;
    let below = 0;
    let notAbove = 0;
    for (const score of positives) {
      while (below < negatives.length && negatives[below]! < score) below++;
      notAbove = Math.max(notAbove, below);
      while (notAbove < negatives.length && negatives[notAbove]! <= score) notAbove++;
      twiceRight += below + notAbove;
    }
    return twiceRight / (2 * positives.length * negatives.length);
  },
});
