import { stabilityIndex } from '../../core/stability-index.js';
import type { Tally, VectorTally } from './tally.js';

/** Maximum number of frequent training values that are compared one by one; all others are compared together. */
const MAX_COMPARED = 100;
/** Minimum mean rows per compared value: G groups of n and m rows without drift have an index near G (1/n + 1/m). */
const MIN_ROWS_PER_VALUE = 40;
/**
 * Computes the population stability index of a split against the training set, over the most frequent training values,
 * all other training values, and new values. Without drift, the share of rows with new values is about the share of the
 * values that occur once on the training set (Good-Turing; Good 1953, Biometrika 40).
 * @returns undefined if either is empty
 */
export function computeDrift(train: Tally, other: Tally): number | undefined {
  if (train.total === 0 || other.total === 0) return undefined;
  const numCompared = Math.min(MAX_COMPARED, Math.ceil(Math.min(train.total, other.total) / MIN_ROWS_PER_VALUE));
  const frequent = [...train.keys].sort((a, b) => train.count(b) - train.count(a)).slice(0, numCompared);
  const isFrequent = new Set(frequent);
  const rare: [number, number] = [0, 0];
  const unseen: [number, number] = [0, 0];
  for (const key of train.keys)
    if (!isFrequent.has(key)) (train.count(key) === 1 ? unseen : rare)[0] += train.count(key);
  for (const key of other.keys) if (!isFrequent.has(key)) (train.count(key) > 0 ? rare : unseen)[1] += other.count(key);
  return stabilityIndex([...frequent.map((key) => [train.count(key), other.count(key)] as const), rare, unseen]);
}

/** Computes the mean drift of the elements of vectors; undefined if either is empty. */
export function computeVectorDrift(train: VectorTally, other: VectorTally): number | undefined {
  const drifts = train.elements.flatMap((element, i) => computeDrift(element, other.elements[i]!) ?? []);
  return drifts.length === 0 ? undefined : drifts.reduce((sum, drift) => sum + drift, 0) / drifts.length;
}
