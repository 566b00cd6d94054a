import type { VectorColumn } from '../../core/batch.js';
import { driftOf } from './drift.js';
import { createTally, type Tally } from './tally.js';

/**
 * Places of vectors whose values are compared between splits, evenly spread, so that long vectors cost no more than
 * these.
 */
const COMPARED_PLACES = 16;

/** What is counted of the vectors of a field. */
export interface VectorTally {
  /** Of all places of all rows. */
  readonly mean: number;
  /** The mean of their Euclidean lengths. */
  readonly norm: number;
  /** Of the places that are compared: their values in bins. */
  readonly places: readonly Tally[];
  add(vectors: VectorColumn, rows: number): void;
}

/**
 * Counts of no vector yet.
 * @param length the numbers of each, but for an indicator behind them
 */
export function createVectorTally(length: number): VectorTally {
  const compared = Array.from({ length: Math.min(length, COMPARED_PLACES) }, (_, i) =>
    Math.floor((i * length) / Math.min(length, COMPARED_PLACES)),
  );
  const places = compared.map(() => createTally());
  let [count, sum, norms] = [0, 0, 0];
  return {
    get mean() {
      return count === 0 ? 0 : sum / (count * length);
    },
    get norm() {
      return count === 0 ? 0 : norms / count;
    },
    places,
    add({ width, data }, rows) {
      for (let r = 0; r < rows; r++) {
        let squares = 0;
        for (let i = r * width; i < r * width + length; i++) {
          sum += data[i]!;
          squares += data[i]! * data[i]!;
        }
        norms += Math.sqrt(squares);
        for (const [p, place] of compared.entries()) places[p]!.add(coarseBin(data[r * width + place]!));
      }
      count += rows;
    },
  };
}

/** The mean of the drifts of places; undefined where either is empty. */
export function vectorDrift(train: VectorTally, other: VectorTally): number | undefined {
  const drifts = train.places.flatMap((place, i) => driftOf(place, other.places[i]!) ?? []);
  return drifts.length === 0 ? undefined : drifts.reduce((sum, drift) => sum + drift, 0) / drifts.length;
}

const word = new DataView(new ArrayBuffer(4));

/** Fewer bins than those of a number that is a field of its own: its sign, its power of two, and a half of that. */
function coarseBin(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0) >>> 22;
}
