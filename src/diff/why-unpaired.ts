import { isSameContent } from '../data/readers/fingerprint.js';
import { haveSameLabels } from './compare.js';
import type { PredictedModel } from './predicted-model.js';

/** Explains why rows of two models' predictions cannot be paired by position; undefined if they can. */
export function explainUnpaired(a: PredictedModel, b: PredictedModel): string | undefined {
  if (!isSameContent(a.fingerprint, b.fingerprint)) return `the ${a.split} rows of the two runs differ`;
  if (JSON.stringify(a.rowSelection) !== JSON.stringify(b.rowSelection))
    return `data.where or data.split select different ${a.split} rows`;
  if (a.badRows.size !== b.badRows.size || [...a.badRows].some((place) => !b.badRows.has(place)))
    return 'the two runs have different invalid rows';
  if (a.rows !== b.rows) return `one run has ${a.rows} rows, the other ${b.rows}`;
  return haveSameLabels(a, b) ? undefined : 'the labels differ';
}
