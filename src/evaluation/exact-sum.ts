/** A sum of doubles that is independent of order and grouping. */
export interface ExactSum {
  add(term: number): void;
  /** Adds the first `count` terms of an array. */
  addAll(terms: Float64Array, count: number): void;
  /** Returns the sum, rounded to within a few ulps of its largest part. */
  value(): number;
}

/** Number of exponents of a double. */
const BINS = 2048;
/** Splits a double into two halves of 26 bits (Veltkamp 1968). */
const SPLITTER = 2 ** 27 + 1;

/**
 * Creates a sum of terms below 2^996. Terms are binned by exponent, and each is split into two halves of 26 bits. All
 * values in such a bin are multiples of one unit, so additions are exact for the first 2^26 terms of a bin (67 million;
 * beyond, the last bits may depend on the order). Based on the binned sums of Demmel & Nguyen (2015).
 */
export function createExactSum(): ExactSum {
  const one = new Float64Array(1);
  const oneWords = toWords(one);
  const upper = new Float64Array(BINS);
  const lower = new Float64Array(BINS);
  return {
    add(term) {
      one[0] = term;
      accumulate(one, oneWords, 1, upper, lower);
    },
    addAll: (terms, count) => accumulate(terms, toWords(terms), count, upper, lower),
    value() {
      let sum = 0;
      for (let bin = 0; bin < BINS; bin++) sum += lower[bin]! + upper[bin]!;
      return sum;
    },
  };
}

/** Reinterprets doubles as pairs of 32-bit words. */
function toWords(doubles: Float64Array): Int32Array {
  return new Int32Array(doubles.buffer, doubles.byteOffset, 2 * doubles.length);
}

function accumulate(
  terms: Float64Array,
  words: Int32Array,
  count: number,
  upper: Float64Array,
  lower: Float64Array,
): void {
  for (let i = 0; i < count; i++) {
    const term = terms[i]!;
    const bin = (words[2 * i + 1]! >>> 20) & (BINS - 1);
    const scaled = SPLITTER * term;
    const half = scaled - (scaled - term);
    upper[bin]! += half;
    lower[bin]! += term - half;
  }
}
