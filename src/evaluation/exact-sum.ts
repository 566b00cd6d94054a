/** A sum of doubles that depends on neither their order nor how they were grouped. */
export interface ExactSum {
  add(term: number): void;
  /** The same for as many terms, the first of an array. */
  addAll(terms: Float64Array, count: number): void;
  /** The sum, rounded as it is put together: within a few units of the last place of its largest part. */
  value(): number;
}

/** Powers of two that a double can have. */
const BINS = 2048;
/**
 * Multiplying by it moves the upper half of a double's bits to where the lower half is rounded away (Veltkamp 1968).
 */
const SPLITTER = 2 ** 27 + 1;

/**
 * Begins a sum, of terms below 2^996. Terms are kept apart by their power of two, and each is split into two halves of
 * 26 bits:
 * in such a bin all numbers are multiples of one unit, so additions are exact for the first 2^26 terms of a bin (67
 * million;
 * beyond, the last bits may depend on the order). After the idea of the binned sums of Demmel & Nguyen (2015).
 */
export function createExactSum(): ExactSum {
  const one = new Float64Array(1);
  const oneWords = wordsOf(one);
  const upper = new Float64Array(BINS);
  const lower = new Float64Array(BINS);
  return {
    add(term) {
      one[0] = term;
      put(one, oneWords, 1, upper, lower);
    },
    addAll: (terms, count) => put(terms, wordsOf(terms), count, upper, lower),
    value() {
      let sum = 0;
      for (let bin = 0; bin < BINS; bin++) sum += lower[bin]! + upper[bin]!;
      return sum;
    },
  };
}

/** The bits of doubles, two words each. */
function wordsOf(doubles: Float64Array): Int32Array {
  return new Int32Array(doubles.buffer, doubles.byteOffset, 2 * doubles.length);
}

function put(terms: Float64Array, words: Int32Array, count: number, upper: Float64Array, lower: Float64Array): void {
  for (let i = 0; i < count; i++) {
    const term = terms[i]!;
    const bin = (words[2 * i + 1]! >>> 20) & (BINS - 1);
    const moved = SPLITTER * term;
    const half = moved - (moved - term);
    upper[bin]! += half;
    lower[bin]! += term - half;
  }
}
