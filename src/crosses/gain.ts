import { computeVariance, type Additive } from './additive.js';
import type { EncodedColumns } from './encoded-columns.js';

/** Held-out gain of the effects of a field or a combination. */
export interface Gain {
  /** Mean gain of log-likelihood per row. */
  readonly gain: number;
  /** Excess of the positive part over chance, and the variance under chance; sums over all rows. */
  readonly excess: number;
  readonly variance: number;
  /** Number of occurring combinations. */
  readonly combinations: number;
}

/** Measures the gain of one field, or of two combined. */
export type GainMeter = (a: EncodedColumns, b?: EncodedColumns) => Gain;

/** Hash slots for combinations; if there are more combinations, some share a slot. */
const SLOT_BITS = 21;
const NUM_SLOTS = 1 << SLOT_BITS;
/** Elements per slot: gradients of both halves, then curvatures. */
const STEP = 4;
/**
 * Number of contiguous chunks, alternately assigned to both halves: neighboring rows are often alike, as in a session.
 */
const NUM_CHUNKS = 64;

/**
 * Creates a gain meter with two-fold cross-validation: effects are estimated on one half and tested on the other, so
 * that rare combinations gain nothing. An effect w gains w Σg - w² Σh / 2, shrunk by the variance of the effects of its
 * half.
 * @param every use one of `every` pairs of chunks
 */
export function createGainMeter(
  { gradients, curvatures }: Pick<Additive, 'gradients' | 'curvatures'>,
  every = 1,
): GainMeter {
  const { length } = gradients;
  const sums = new Float64Array(STEP * NUM_SLOTS);
  const chunkRows = Math.max(1, Math.ceil(length / NUM_CHUNKS));
  return (a, b) => {
    const width = b?.size ?? 1;
    const isDirect = a.size * width <= NUM_SLOTS;
    const end = STEP * (isDirect ? a.size * width : NUM_SLOTS);
    sums.fill(0, 0, end);
    let rows = 0;
    for (let begin = 0, chunk = 0; begin < length; begin += chunkRows, chunk++) {
      if ((chunk >> 1) % every > 0) continue;
      const half = chunk & 1;
      const last = Math.min(length, begin + chunkRows);
      rows += last - begin;
      for (let row = begin; row < last; row++) {
        const x = a.codes[row]!;
        const y = b === undefined ? 0 : b.codes[row]!;
        const offset =
          half +
          STEP * (isDirect ? x * width + y : Math.imul(Math.imul(x, 0x9e3779b1) ^ y, 0x85ebca6b) >>> (32 - SLOT_BITS));
        sums[offset]! += gradients[row]!;
        sums[offset + 2]! += curvatures[row]!;
      }
    }
    return computeGain(sums, end, rows);
  };
}

function computeGain(sums: Float64Array, end: number, rows: number): Gain {
  let [excess, variance, combinations] = [0, 0, 0];
  for (const half of [0, 1]) {
    const precision = 1 / Math.max(0, computeVariance({ sums, end, step: STEP, gradient: half, curvature: half + 2 }));
    for (let offset = 0; offset < end; offset += STEP) {
      const effect = sums[offset + half]! / (sums[offset + half + 2]! + precision);
      excess += effect * sums[offset + 1 - half]!;
      variance += effect ** 2 * sums[offset + 3 - half]!;
    }
  }
  for (let offset = 0; offset < end; offset += STEP) if (sums[offset + 2]! + sums[offset + 3]! > 0) combinations++;
  return { gain: (excess - variance / 2) / rows, excess, variance, combinations };
}
