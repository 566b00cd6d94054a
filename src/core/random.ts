/**
 * Seeded randomness. Everything random is drawn from a stream that is named by the seed and by what it is for, so that
 * adding a layer or a field never changes what the others draw.
 */

/** A sequential stream of random numbers. */
export interface Random {
  /** Uniform on the integers of 32 bits. */
  uint32(): number;
  /** Uniform on [0, 1), 53 bits. */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /** Uniform on 0 … n - 1. */
  below(n: number): number;
}

/** A 32-bit hash of a text (FNV-1a, finished by `mix`). */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/**
 * A bijection on 32-bit integers that spreads every bit over all others (Wellons' `lowbias32`, hash-prospector, 2018).
 */
export function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** One key of 32 bits out of a seed and any number of words that say what the stream is for. */
export function streamKey(seed: number, ...purpose: readonly (string | number)[]): number {
  let key = mix(seed);
  for (const word of purpose) key = mix(key ^ (typeof word === 'number' ? mix(word + 0x9e3779b9) : hashText(word)));
  return key;
}

/** The stream that a seed and a purpose name (sfc32 of PractRand, Doty-Humphrey 2010; warmed up by 12 draws). */
export function randomStream(seed: number, ...purpose: readonly (string | number)[]): Random {
  const key = streamKey(seed, ...purpose);
  let a = key;
  let b = mix(key ^ 0x243f6a88);
  let c = mix(key ^ 0x85a308d3);
  let counter = 1;
  let spare: number | undefined;

  /** 32 bits, with a sign: V8 keeps what is larger in memory of its own. */
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

  // Marsaglia's polar method: no sine, whose last bit differs between versions of V8.
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

/** The key by which element 0 of a mask is what element `first` is by `key`. */
export function maskKeyFrom(key: number, first: number): number {
  return (key + Math.imul(first, 0x9e3779b1)) >>> 0;
}

/**
 * Fills `mask` with the inverted-dropout factors of one layer at one step: 0 with probability `rate`, else 1 / (1 -
 * rate).
 * Counter-based: element i depends on `key` and i alone, so that any engine can draw any part of it, in any order.
 */
export function dropoutMask(mask: Float32Array, rate: number, key: number): void {
  const threshold = rate * 0x100000000;
  const keep = 1 / (1 - rate);
  for (let i = 0; i < mask.length; i++) mask[i] = mix(key + Math.imul(i, 0x9e3779b1)) < threshold ? 0 : keep;
}

/**
 * Draws some of many things that come one by one, all choices equally likely (Knuth, The Art of Computer Programming 2,
 * algorithm 3.4.2 S).
 * @returns to be asked of each in turn, whether it is drawn; all are where no more are there than wanted
 */
export function drawing(wanted: number, total: number, random: Random): () => boolean {
  let [left, open] = [Math.min(wanted, total), total];
  return () => {
    const isDrawn = left === open || (left > 0 && random.uniform() * open < left);
    open--;
    if (isDrawn) left--;
    return isDrawn;
  };
}

/** Puts the first `length` entries of `order` to 0 … length - 1 in random order (Fisher-Yates). */
export function shuffledOrder(order: Uint32Array, length: number, random: Random): void {
  for (let i = 0; i < length; i++) {
    const j = random.below(i + 1);
    order[i] = order[j] ?? 0;
    order[j] = i;
  }
}
