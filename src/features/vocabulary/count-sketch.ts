import { murmur3 } from '../../core/murmur.js';

/** Seeds of the hash functions, each of which has counters of its own. */
const SEEDS = [0x2f0b4c47, 0x51a9e3d1, 0x7c3d8a95, 0x1e6f7b2b] as const;
export const SKETCH_DEPTH = SEEDS.length;

/** Words of a block, a cache line: what a delta stores, and what has an age. */
const BLOCK_WORDS = 16;
const BLOCK_BYTES = 4 * BLOCK_WORDS;

export const MIN_SKETCH_BYTES = 1000;
export const MAX_SKETCH_BYTES = 2 ** 30;

/** Content of a sketch. */
export interface StoredSketch {
  readonly words: Uint32Array;
  /** Halvings that each block has been through. */
  readonly ages: Uint32Array;
  /** Bytes per counter, halvings of the sketch, and occurrences since the last one. */
  readonly clock: Float64Array;
}

/** Changes of a sketch since a save. */
export interface SketchChanges extends StoredSketch {
  /** Blocks that `words` and `ages` replace. */
  readonly blocks: Uint32Array;
}

interface SketchOptions {
  /** Memory of the counters. */
  readonly bytes: number;
  /** Count up to which the sketch must count. */
  readonly maxCount: number;
  /** Occurrences after which all counts are halved; default: half the counters of a hash function. */
  readonly halveEvery: number | undefined;
}

/**
 * Counts texts approximately in bounded memory: a count-min sketch (Cormode and Muthukrishnan, An Improved Data Stream
 * Summary, 2005) with conservative update (Estan and Varghese, New Directions in Traffic Measurement and Accounting,
 * 2002). A count is never too low. With m counted occurrences and w counters per hash function, it is too high by c or
 * more with probability at most (m / (c w))^4: Markov's inequality for each of 4 independent hash functions.
 *
 * After `halveEvery` occurrences, all counts are halved and rounded down, so m is at most twice as large. A counter is
 * halved when its block is next accessed, since halving commutes with rounding down: no step changes all blocks.
 */
export class CountSketch {
  readonly #halveEvery: number;
  /** Counters per hash function, and per block. */
  readonly #width: number;
  readonly #blockCounters: number;
  readonly #maxCounter: number;
  readonly #words: Uint32Array;
  readonly #counters: Uint8Array | Uint32Array;
  readonly #ages: Uint32Array;
  /** A bit per block that changed since `markSaved`. */
  readonly #changed: Uint32Array;
  readonly #places = new Uint32Array(SKETCH_DEPTH);
  #halvings = 0;
  #counted = 0;

  constructor({ bytes, maxCount, halveEvery }: SketchOptions) {
    const blocks = SKETCH_DEPTH * Math.max(1, Math.floor(bytes / BLOCK_BYTES / SKETCH_DEPTH));
    this.#words = new Uint32Array(blocks * BLOCK_WORDS);
    this.#counters = maxCount <= 0xff ? new Uint8Array(this.#words.buffer) : this.#words;
    this.#maxCounter = 2 ** (8 * this.#counters.BYTES_PER_ELEMENT) - 1;
    this.#width = this.#counters.length / SKETCH_DEPTH;
    this.#blockCounters = this.#counters.length / blocks;
    this.#ages = new Uint32Array(blocks);
    this.#changed = new Uint32Array(Math.ceil(blocks / 32));
    this.#halveEvery = halveEvery ?? Math.max(1, this.#width / 2);
  }

  /** Counters per hash function. */
  get width(): number {
    return this.#width;
  }

  /** Bytes of all arrays. */
  get byteLength(): number {
    return this.#words.byteLength + this.#ages.byteLength + this.#changed.byteLength;
  }

  /** Counts an occurrence of the text in `begin`…`end`; returns its count, up to the maximum of a counter. */
  add(bytes: Uint8Array, begin: number, end: number): number {
    const counters = this.#counters;
    const places = this.#places;
    let least = this.#maxCounter;
    for (let d = 0; d < SKETCH_DEPTH; d++) {
      const place = d * this.#width + (murmur3(bytes, begin, end, SEEDS[d]!) % this.#width);
      this.#refresh(Math.floor(place / this.#blockCounters));
      places[d] = place;
      least = Math.min(least, counters[place]!);
    }
    const count = Math.min(least + 1, this.#maxCounter);
    for (let d = 0; d < SKETCH_DEPTH; d++) {
      const place = places[d]!;
      if (counters[place]! >= count) continue;
      counters[place] = count;
      this.#mark(Math.floor(place / this.#blockCounters));
    }
    if (++this.#counted >= this.#halveEvery) {
      this.#halvings++;
      this.#counted = 0;
    }
    return count;
  }

  /** Returns a copy of the content. */
  store(): StoredSketch {
    return { words: this.#words.slice(), ages: this.#ages.slice(), clock: this.#clock() };
  }

  /** Restores the content; the content of a sketch of another size is not used. */
  restore({ words, ages, clock: [counterBytes, halvings, counted] }: StoredSketch): void {
    if (words.length !== this.#words.length || counterBytes !== this.#counters.BYTES_PER_ELEMENT) return;
    this.#words.set(words);
    this.#ages.set(ages);
    this.#halvings = halvings!;
    this.#counted = counted!;
  }

  /** Returns the changes since `markSaved`. */
  changes(): SketchChanges {
    const blocks: number[] = [];
    for (const [w, word] of this.#changed.entries())
      for (let left = word; left !== 0; left &= left - 1)
        // The lowest bit of a word is 31 minus its leading zeros.
        blocks.push(32 * w + 31 - Math.clz32(left & -left));
    const words = new Uint32Array(blocks.length * BLOCK_WORDS);
    for (const [i, block] of blocks.entries())
      words.set(this.#words.subarray(block * BLOCK_WORDS, (block + 1) * BLOCK_WORDS), i * BLOCK_WORDS);
    return {
      blocks: Uint32Array.from(blocks),
      words,
      ages: Uint32Array.from(blocks, (block) => this.#ages[block]!),
      clock: this.#clock(),
    };
  }

  markSaved(): void {
    this.#changed.fill(0);
  }

  #clock(): Float64Array {
    return Float64Array.of(this.#counters.BYTES_PER_ELEMENT, this.#halvings, this.#counted);
  }

  /** Halves the counters of a block as often as the counters of other blocks. */
  #refresh(block: number): void {
    const halvings = this.#halvings - this.#ages[block]!;
    if (halvings === 0) return;
    const begin = block * this.#blockCounters;
    for (let at = begin; at < begin + this.#blockCounters; at++)
      this.#counters[at] = halvings > 31 ? 0 : this.#counters[at]! >>> halvings;
    this.#ages[block] = this.#halvings;
    this.#mark(block);
  }

  #mark(block: number): void {
    this.#changed[block >>> 5]! |= 1 << (block & 31);
  }
}

/**
 * Applies changes to the content before them.
 * @throws Error if they are not changes of this content
 */
export function applySketchChanges(before: StoredSketch, { blocks, words, ages, clock }: SketchChanges): StoredSketch {
  const [allWords, allAges] = [before.words.slice(), before.ages.slice()];
  if (
    words.length !== blocks.length * BLOCK_WORDS ||
    ages.length !== blocks.length ||
    blocks.some((block) => block >= allAges.length)
  )
    throw new Error(`${blocks.length} blocks with ${ages.length} ages and ${words.length} words`);
  for (const [i, block] of blocks.entries()) {
    allWords.set(words.subarray(i * BLOCK_WORDS, (i + 1) * BLOCK_WORDS), block * BLOCK_WORDS);
    allAges[block] = ages[i]!;
  }
  return { words: allWords, ages: allAges, clock };
}
