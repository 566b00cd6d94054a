import type { EncodedColumns } from './encoded-columns.js';
import { EFFECT_WORDS, heldOutGains, sumEffects, type Derivatives, type HeldOutGain } from './held-out.js';

/** Held-out gain of the effects of a field or a combination. */
export interface Gain {
  /** By variance of the effects (`SHRINKAGES`). */
  readonly gains: readonly HeldOutGain[];
  readonly rows: number;
  /** Number of occurring combinations. */
  readonly combinations: number;
}

/** Measures the gain of one field, or of two combined. */
export type GainMeter = (a: EncodedColumns, b?: EncodedColumns) => Gain;

/** Hash slots for combinations; if there are more combinations, some share a slot. */
const SLOT_BITS = 21;
const NUM_SLOTS = 1 << SLOT_BITS;
/**
 * Creates a gain meter with two-fold cross-validation: effects are estimated on one half and tested on the other, so
 * that rare combinations gain nothing.
 * @param every use one of `every` pairs of chunks
 */
export function createGainMeter(derivatives: Derivatives, every = 1): GainMeter {
  const sums = new Float64Array(EFFECT_WORDS * NUM_SLOTS);
  return (a, b) => {
    const width = b?.size ?? 1;
    const isDirect = a.size * width <= NUM_SLOTS;
    const end = EFFECT_WORDS * (isDirect ? a.size * width : NUM_SLOTS);
    sums.fill(0, 0, end);
    const slotOf = (row: number): number => {
      const x = a.codes[row]!;
      const y = b === undefined ? 0 : b.codes[row]!;
      return isDirect ? x * width + y : Math.imul(Math.imul(x, 0x9e3779b1) ^ y, 0x85ebca6b) >>> (32 - SLOT_BITS);
    };
    const rows = sumEffects(derivatives, sums, slotOf, every);
    return { rows, gains: heldOutGains(sums, end), combinations: countCombinations(sums, end) };
  };
}

function countCombinations(sums: Float64Array, end: number): number {
  let combinations = 0;
  for (let offset = 0; offset < end; offset += EFFECT_WORDS)
    if (sums[offset + 2]! + sums[offset + 3]! > 0) combinations++;
  return combinations;
}
