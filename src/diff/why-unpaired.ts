import { isSameContent } from '../data/files/fingerprint.js';
import { haveSameLabels } from './compare.js';
import type { PredictedModel } from './predicted-model.js';

/** Explains why rows of two models' predictions cannot be paired by position; undefined if they can. */
export function whyUnpaired(a: PredictedModel, b: PredictedModel): string | undefined {
  if (!isSameContent(a.fingerprint, b.fingerprint)) return `${a.split} does not hold the same rows in both`;
  if (JSON.stringify(a.part) !== JSON.stringify(b.part))
    return `data.where or data.split take other rows of the same ${a.split}`;
  if (a.badRows.size !== b.badRows.size || [...a.badRows].some((place) => !b.badRows.has(place)))
    return 'one could not use rows that the other could';
  if (a.rows !== b.rows) return `one keeps ${a.rows} rows, the other ${b.rows}`;
  return haveSameLabels(a, b) ? undefined : 'their labels are not the same';
}
