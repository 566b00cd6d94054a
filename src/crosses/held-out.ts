/** First and second derivatives of the log-likelihood with respect to the score of each row. */
export interface Derivatives {
  readonly gradients: Float64Array;
  /** Negated second derivatives of the log-likelihood. */
  readonly curvatures: Float64Array;
}

/**
 * Number of contiguous chunks, alternately assigned to both halves: neighboring rows are often alike, as in a session.
 */
const NUM_CHUNKS = 64;

/** Elements per effect: sums of the gradients of both halves of the rows, then of their curvatures. */
export const EFFECT_WORDS = 4;

/**
 * Adds the derivatives of all rows to the sums of their effects.
 * @param effectOf returns the index of a row's effect
 * @param every use one of `every` pairs of chunks
 * @returns number of rows used
 */
export function sumEffects(
  { gradients, curvatures }: Derivatives,
  sums: Float64Array,
  effectOf: (row: number) => number,
  every = 1,
): number {
  const { length } = gradients;
  const chunkRows = Math.max(1, Math.ceil(length / NUM_CHUNKS));
  let rows = 0;
  for (let begin = 0, chunk = 0; begin < length; begin += chunkRows, chunk++) {
    if ((chunk >> 1) % every > 0) continue;
    const half = chunk & 1;
    const last = Math.min(length, begin + chunkRows);
    rows += last - begin;
    for (let row = begin; row < last; row++) {
      const offset = EFFECT_WORDS * effectOf(row) + half;
      sums[offset]! += gradients[row]!;
      sums[offset + 2]! += curvatures[row]!;
    }
  }
  return rows;
}

/** Gain of effects that are estimated on one half of the rows and tested on the other, summed over both directions. */
export interface HeldOutGain {
  /** Excess of the positive part over chance, and the variance under chance; sums over all rows. */
  readonly excess: number;
  readonly variance: number;
}

/** Variances of effects, in squared log odds or squared standard deviations of a label. */
export const SHRINKAGES: readonly number[] = Array.from({ length: 10 }, (_, i) => 2 ** (2 * i - 14));

/**
 * Computes the held-out gain of effects by each variance τ² of their normal prior: an effect w = G / (H + 1/τ²) gains
 * w G' - w² H' / 2 on the other half. The best variance is chosen by this gain; an estimate from moments of G would
 * follow the few effects with most rows.
 * @param end number of elements of the sums
 */
export function heldOutGains(sums: Float64Array, end: number): readonly HeldOutGain[] {
  return SHRINKAGES.map((shrinkage) => {
    const precision = 1 / shrinkage;
    let [excess, variance] = [0, 0];
    for (let at = 0; at < end; at += EFFECT_WORDS) {
      const [g0, g1, h0, h1] = [sums[at]!, sums[at + 1]!, sums[at + 2]!, sums[at + 3]!];
      const [w0, w1] = [g0 / (h0 + precision), g1 / (h1 + precision)];
      excess += w0 * g1 + w1 * g0;
      variance += w0 * w0 * h1 + w1 * w1 * h0;
    }
    return { excess, variance };
  });
}

/** Returns the gain of log-likelihood, summed over all rows. */
export function computeGain({ excess, variance }: HeldOutGain): number {
  return excess - variance / 2;
}

/** Returns the variance with the largest gain. */
export function bestShrinkage(gains: readonly HeldOutGain[]): number {
  return SHRINKAGES[gains.reduce((best, gain, i) => (computeGain(gain) > computeGain(gains[best]!) ? i : best), 0)]!;
}
