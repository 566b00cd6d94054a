import { computeVariance, type Additive } from './additive.js';
import type { EncodedColumns } from './encoded-columns.js';

/** What effects of some combinations would gain on rows that they were not learned from. */
export interface Gain {
  /** Of the log-likelihood of a row, in the mean. */
  readonly gain: number;
  /**
   * How far the part of it that may be positive is from what chance gives, and the square of chance's deviation; both
   * of all rows.
   */
  readonly excess: number;
  readonly variance: number;
  /** Combinations that there are. */
  readonly combinations: number;
}

/** Measures what one field adds to a model, or two together. */
export type GainMeter = (a: EncodedColumns, b?: EncodedColumns) => Gain;

/** Places for combinations; where there may be more, several share one. */
const PLACES_BITS = 21;
const PLACES = 1 << PLACES_BITS;
/** Numbers of a place: gradients of both halves, and curvatures. */
const STEP = 4;
/** Pieces of the rows that are by turns of one half and of the other: neighbours are often alike, as of one session. */
const PIECES = 64;

/**
 * A meter: effects of combinations are learned on one half of the rows and tried on the other, and the other way round,
 * so that
 * combinations too rare to learn anything from gain nothing. An effect w gains w Σg - w² Σh / 2; it is drawn to 0 as
 * far as those of its
 * half say.
 * @param every one of so many pairs of pieces is looked at
 */
export function createGainMeter(
  { gradients, curvatures }: Pick<Additive, 'gradients' | 'curvatures'>,
  every = 1,
): GainMeter {
  const { length } = gradients;
  const sums = new Float64Array(STEP * PLACES);
  const pieceRows = Math.max(1, Math.ceil(length / PIECES));
  return (a, b) => {
    const width = b?.size ?? 1;
    const isDirect = a.size * width <= PLACES;
    const end = STEP * (isDirect ? a.size * width : PLACES);
    sums.fill(0, 0, end);
    let rows = 0;
    for (let begin = 0, piece = 0; begin < length; begin += pieceRows, piece++) {
      if ((piece >> 1) % every > 0) continue;
      const half = piece & 1;
      const last = Math.min(length, begin + pieceRows);
      rows += last - begin;
      for (let row = begin; row < last; row++) {
        const x = a.codes[row]!;
        const y = b === undefined ? 0 : b.codes[row]!;
        const at =
          half +
          STEP *
            (isDirect ? x * width + y : Math.imul(Math.imul(x, 0x9e3779b1) ^ y, 0x85ebca6b) >>> (32 - PLACES_BITS));
        sums[at]! += gradients[row]!;
        sums[at + 2]! += curvatures[row]!;
      }
    }
    return gainOf(sums, end, rows);
  };
}

function gainOf(sums: Float64Array, end: number, rows: number): Gain {
  let [excess, variance, combinations] = [0, 0, 0];
  for (const half of [0, 1]) {
    const precision = 1 / Math.max(0, computeVariance({ sums, end, step: STEP, gradient: half, curvature: half + 2 }));
    for (let at = 0; at < end; at += STEP) {
      const effect = sums[at + half]! / (sums[at + half + 2]! + precision);
      excess += effect * sums[at + 1 - half]!;
      variance += effect ** 2 * sums[at + 3 - half]!;
    }
  }
  for (let at = 0; at < end; at += STEP) if (sums[at + 2]! + sums[at + 3]! > 0) combinations++;
  return { gain: (excess - variance / 2) / rows, excess, variance, combinations };
}
