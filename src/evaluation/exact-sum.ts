/** A sum of doubles that depends on neither their order nor how they were grouped. */
export interface ExactSum {
  add(term: number): void;
  /** The sum, rounded as it is put together: within a few units of the last place of its largest part. */
  value(): number;
}

/** Powers of two that a double can have. */
const BINS = 2048;
/** Multiplying by it moves the upper half of a double's bits to where the lower half is rounded away (Veltkamp 1968). */
const SPLITTER = 2 ** 27 + 1;

/**
 * Begins a sum, of terms below 2^996. Terms are kept apart by their power of two, and each is split into two halves of 26 bits:
 * in such a bin all numbers are multiples of one unit, so additions are exact for the first 2^26 terms of a bin (67 million;
 * beyond, the last bits may depend on the order). After the idea of the binned sums of Demmel & Nguyen (2015).
 */
export function createExactSum(): ExactSum {
  const double = new Float64Array(1);
  const words = new Uint32Array(double.buffer);
  const upper = new Float64Array(BINS);
  const lower = new Float64Array(BINS);
  return {
    add(term) {
      double[0] = term;
      const bin = (words[1]! >>> 20) & (BINS - 1);
      const moved = SPLITTER * term;
      const half = moved - (moved - term);
      upper[bin]! += half;
      if (half !== term) lower[bin]! += term - half;
    },
    value() {
      let sum = 0;
      for (let bin = 0; bin < BINS; bin++) sum += lower[bin]! + upper[bin]!;
      return sum;
    },
  };
}
