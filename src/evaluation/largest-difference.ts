import type { Scores } from './scores.js';

/** Returns the largest absolute difference between two predictions of the same rows; 0 without rows. */
export function findLargestDifference(scores: Scores, others: Scores): number {
  const all = new Float32Array(scores.rows);
  let end = 0;
  for (const { predictions } of scores) {
    all.set(predictions, end);
    end += predictions.length;
  }
  let largest = 0;
  let row = 0;
  for (const { predictions } of others)
    for (const prediction of predictions) largest = Math.max(largest, Math.abs(prediction - all[row++]!));
  return largest;
}
