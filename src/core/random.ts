/**
 * Seeded randomness: each use draws from a stream that is derived from the seed and the purpose, so that adding a layer
 * or a field does not change other draws.
 */

export interface Random {
  /** Returns a uniform integer of 32 bits. */
  uint32(): number;
  /** Uniform on [0, 1) with 53 bits. */
  uniform(): number;
  /** Returns a number of the standard normal distribution. */
  normal(): number;
  /** Uniform integer from 0 to n - 1. */
  below(n: number): number;
}

/** Hashes a string to 32 bits (FNV-1a, finished by `mix`). */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/**
 * Permutes 32-bit integers so that every input bit affects all output bits (Wellons' `lowbias32`, hash-prospector,
 * 2018).
 */
export function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Derives a 32-bit key from a seed and the words of a purpose. */
export function streamKey(seed: number, ...purpose: readonly (string | number)[]): number {
  let key = mix(seed);
  for (const word of purpose) key = mix(key ^ (typeof word === 'number' ? mix(word + 0x9e3779b9) : hashText(word)));
  return key;
}

/** Creates the random stream of a seed and a purpose (sfc32 of PractRand, Doty-Humphrey 2010; 12 warm-up draws). */
export function randomStream(seed: number, ...purpose: readonly (string | number)[]): Random {
  const key = streamKey(seed, ...purpose);
  let a = key;
  let b = mix(key ^ 0x243f6a88);
  let c = mix(key ^ 0x85a308d3);
  let counter = 1;
  let spare: number | undefined;

  /** Signed 32 bits, since V8 allocates larger integers on the heap. */
  const bits = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum;
  };
  for (let i = 0; i < 12; i++) bits();

  const uniform = (): number => ((bits() >>> 5) * 0x4000000 + (bits() >>> 6)) / 0x20000000000000;

  // Marsaglia's polar method: it uses no sine, whose last bit differs between V8 versions.
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    for (;;) {
      const x = 2 * uniform() - 1;
      const y = 2 * uniform() - 1;
      const square = x * x + y * y;
      if (square === 0 || square >= 1) continue;
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      spare = y * scale;
      return x * scale;
    }
  };

  return { uint32: () => bits() >>> 0, uniform, normal, below: (n) => Math.floor(uniform() * n) };
}

/** Returns the key whose mask element 0 equals element `first` of the mask of `key`. */
export function maskKeyFrom(key: number, first: number): number {
  return (key + Math.imul(first, 0x9e3779b1)) >>> 0;
}

/**
 * Fills `mask` with inverted-dropout factors: 0 with probability `rate`, else 1 / (1 - rate). Counter-based: element i
 * depends only on `key` and i, so that any engine can draw any part in any order.
 */
export function dropoutMask(mask: Float32Array, rate: number, key: number): void {
  const threshold = rate * 0x100000000;
  const keep = 1 / (1 - rate);
  for (let i = 0; i < mask.length; i++) mask[i] = mix(key + Math.imul(i, 0x9e3779b1)) < threshold ? 0 : keep;
}

/**
 * Samples uniformly without replacement from a sequence (Knuth, The Art of Computer Programming 2, algorithm 3.4.2 S).
 * @returns a function to call per item, which returns whether it is sampled; always true if `total` ≤ `count`
 */
export function drawing(count: number, total: number, random: Random): () => boolean {
  let [left, open] = [Math.min(count, total), total];
  return () => {
    const isDrawn = left === open || (left > 0 && random.uniform() * open < left);
    open--;
    if (isDrawn) left--;
    return isDrawn;
  };
}

/** Fills the first `length` entries of `order` with a random permutation of 0 … length - 1 (Fisher-Yates). */
export function shuffledOrder(order: Uint32Array, length: number, random: Random): void {
  for (let i = 0; i < length; i++) {
    const j = random.below(i + 1);
    order[i] = order[j] ?? 0;
    order[j] = i;
  }
}
