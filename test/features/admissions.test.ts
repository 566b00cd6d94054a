import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { admissions } from '../../src/features/admissions/admissions.js';
import { evictions } from '../../src/features/evictions/evictions.js';
import { CountSketch, SKETCH_DEPTH } from '../../src/features/vocabulary/count-sketch.js';
import { startGrowth } from '../../src/features/vocabulary/growth-state.js';
import type { GrowingVocabulary } from '../../src/features/vocabulary/growing-vocabulary.js';
import { textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { createTextTable } from '../../src/features/vocabulary/text-table.js';

const NUM_TOKENS = 300_000;
const NUM_OCCURRENCES = 2_000_000;

/** Token numbers of a Zipf distribution, whose i-th token has a probability proportional to i^-1.05. */
function* zipf(count: number): Generator<number> {
  const cumulative = new Float64Array(NUM_TOKENS);
  let sum = 0;
  for (let i = 0; i < NUM_TOKENS; i++) cumulative[i] = sum += (i + 1) ** -1.05;
  const random = randomStream(1, 'zipf');
  for (let i = 0; i < count; i++) {
    const drawn = random.uniform() * sum;
    let [low, high] = [0, NUM_TOKENS - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle]! < drawn) low = middle + 1;
      else high = middle;
    }
    yield low;
  }
}

const buffer = new Uint8Array(8);
const view = new DataView(buffer.buffer);
/** Counts an occurrence of a token, whose bytes are its number. */
function add(sketch: CountSketch, token: number): number {
  view.setFloat64(0, token);
  return sketch.add(buffer, 0, buffer.length);
}

describe('a sketch', () => {
  it('never counts too few, and too many as rarely as its bound, on a Zipf stream', { timeout: 120_000 }, () => {
    const bytes = 256_000;
    const sketch = new CountSketch({ bytes, maxCount: 5, halveEvery: undefined });
    expect(sketch.width).toBe(bytes / SKETCH_DEPTH);
    const halveEvery = sketch.width / 2;
    const exact = new Uint32Array(NUM_TOKENS);
    /** Occurrences that are counted at least as many times too often. */
    const tooHigh = [0, 0, 0, 0, 0, 0];
    let numTooLow = 0;
    let [admitted, early] = [0, 0];
    let i = 0;
    for (const token of zipf(NUM_OCCURRENCES)) {
      if (i++ % halveEvery === 0 && i > 1) for (let t = 0; t < NUM_TOKENS; t++) exact[t]! >>>= 1;
      // A counter is a byte.
      const [count, expected] = [add(sketch, token), (exact[token] = Math.min(255, exact[token]! + 1))];
      if (count < expected) numTooLow++;
      for (let c = 1; c < tooHigh.length; c++) if (count - expected >= c) tooHigh[c]!++;
      if (count >= 5) {
        admitted++;
        if (expected < 5) early++;
      }
    }
    expect(numTooLow).toBe(0);
    // At most 2 halveEvery = w occurrences have not faded: the bound of Cormode and Muthukrishnan is c^-4.
    for (let c = 1; c < tooHigh.length; c++)
      expect(tooHigh[c]! / NUM_OCCURRENCES, `${c} too high`).toBeLessThanOrEqual(c ** -SKETCH_DEPTH);
    expect(tooHigh[1]).toBeGreaterThan(100);
    // A token is early at its first to fourth occurrence if it counts 4 to 1 too high.
    const expectedEarly = [4, 3, 2].reduce((sum, c) => sum + c ** -SKETCH_DEPTH, 0);
    expect(admitted).toBeGreaterThan(NUM_OCCURRENCES / 4);
    expect(early / NUM_OCCURRENCES).toBeLessThanOrEqual(expectedEarly);
  });

  it.each([
    [5, 255],
    [300, 2 ** 32 - 1],
  ])('is exact without collisions, up to its maximum, and halves all counts, for a count of %i', (maxCount, most) => {
    const sketch = new CountSketch({ bytes: 16_000_000, maxCount, halveEvery: 1000 });
    const exact = new Map<number, number>();
    const random = randomStream(2, 'halve');
    for (let i = 0; i < 20_000; i++) {
      if (i % 1000 === 0) for (const [token, count] of exact) exact.set(token, count >>> 1);
      // Some tokens are not seen for many halvings.
      const token = i % 2 === 0 ? 0 : random.below(60) * (1 + Math.floor(i / 7000));
      const expected = Math.min(most, (exact.get(token) ?? 0) + 1);
      exact.set(token, expected);
      expect(add(sketch, token)).toBe(expected);
    }
  });

  it('changes as many blocks as counters since a save, also at a halving', () => {
    const sketch = new CountSketch({ bytes: 1_000_000, maxCount: 5, halveEvery: 10_000 });
    for (let token = 0; token < 9_995; token++) add(sketch, token);
    expect(sketch.changes().blocks.length).toBeGreaterThan(9_000);
    sketch.markSaved();
    for (let token = 0; token < 10; token++) add(sketch, token);
    const { blocks, words, clock } = sketch.changes();
    expect(blocks.length).toBeGreaterThan(SKETCH_DEPTH);
    expect(blocks.length).toBeLessThanOrEqual(10 * SKETCH_DEPTH);
    expect(words.length).toBe(16 * blocks.length);
    // Bytes per counter, halvings, and occurrences since.
    expect([...clock]).toEqual([1, 1, 5]);
  });

  it('does not use the content of a sketch of another size', () => {
    const [sketch, other] = [1000, 2000].map((bytes) => new CountSketch({ bytes, maxCount: 9, halveEvery: 99 }));
    for (let i = 0; i < 7; i++) add(sketch!, 1);
    other!.restore(sketch!.store());
    expect(add(other!, 1)).toBe(1);
    const same = new CountSketch({ bytes: 1000, maxCount: 9, halveEvery: 99 });
    same.restore(sketch!.store());
    expect(add(same, 1)).toBe(8);
  });
});

const start = (admit: Parameters<typeof admissions.build>[0], seed = 3, capacity = 100_000): GrowingVocabulary =>
  startGrowth(
    {
      capacity,
      admission: admissions.build(admit, 1),
      eviction: evictions.build(evictions.schema.parse({})),
      unseen: undefined,
    },
    {
      vocabulary: createTextTable(textsFrom(['known'])),
      rare: {
        texts: textsFrom(['rare', 'rarer']),
        counts: [
          [2, 1],
          [1, 1],
        ],
      },
    },
    seed,
  );
function assign(vocabulary: GrowingVocabulary, token: string, row = 0): number {
  const bytes = Buffer.from(token);
  return vocabulary.assign(bytes, 0, bytes.length, row);
}

describe('admission by a sketch', () => {
  it('gives a row at the Nth occurrence, with those of rare tokens of the fit, and stores no token', () => {
    const vocabulary = start({ name: 'sketch', count: 3, memory: '1MB' });
    vocabulary.startBatch();
    expect(['a', 'a', 'a', 'a', 'rare', 'rarer', 'rarer'].map((token) => assign(vocabulary, token))).toEqual([
      0, 0, 2, 2, 3, 0, 4,
    ]);
    expect(vocabulary.report()).toMatchObject({ rows: 4, pending: 0, admitted: 3, dropped: 0, outOfVocabulary: 3 });
    // A megabyte of counters, 4 bytes per block of 64, and a bit.
    expect(vocabulary.byteLength - start({ name: 'probability', probability: 1 }).byteLength).toBeLessThan(1_070_000);
  });
});

describe('admission by probability', () => {
  const NUM = 20_000;
  /** Tokens that the first occurrence admits. */
  const admitOnce = (vocabulary: GrowingVocabulary): readonly boolean[] => {
    vocabulary.startBatch();
    return Array.from({ length: NUM }, (_, i) => assign(vocabulary, `token-${i}`, i % 100) > 0);
  };

  it('gives a row to a share of new tokens that is within 5 standard errors of the probability', () => {
    for (const probability of [0.01, 0.3]) {
      const share = admitOnce(start({ name: 'probability', probability })).filter(Boolean).length / NUM;
      expect(Math.abs(share - probability)).toBeLessThan(5 * Math.sqrt((probability * (1 - probability)) / NUM));
    }
  });

  it('admits after 1 / probability occurrences on average, over rows and over batches', () => {
    const probability = 0.2;
    for (const perBatch of [1, 1000]) {
      const vocabulary = start({ name: 'probability', probability });
      let occurrences = 0;
      const tokens = new Set(Array.from({ length: 4000 }, (_, i) => `t${i}`));
      for (let row = 0; tokens.size > 0; row++) {
        if (row % perBatch === 0) vocabulary.startBatch();
        for (const token of tokens) {
          occurrences++;
          if (assign(vocabulary, token, row % perBatch) > 0) tokens.delete(token);
        }
      }
      // The standard deviation of a geometric distribution is sqrt(1 - p) / p.
      const error = Math.sqrt(1 - probability) / probability / Math.sqrt(4000);
      expect(Math.abs(occurrences / 4000 - 1 / probability)).toBeLessThan(5 * error);
    }
  });

  it('depends on the seed, the batch, the row and the token alone', () => {
    const first = admitOnce(start({ name: 'probability', probability: 0.5 }));
    expect(admitOnce(start({ name: 'probability', probability: 0.5 }))).toEqual(first);
    const others = [
      start({ name: 'probability', probability: 0.5 }, 4),
      start({ name: 'probability', probability: 0.5 }),
    ];
    others[1]!.startBatch();
    for (const other of others) {
      const same = admitOnce(other).filter((isAdmitted, i) => isAdmitted === first[i]).length;
      // Independent decisions agree in half of the cases.
      expect(Math.abs(same / NUM - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / NUM));
    }
    const always = start({ name: 'probability', probability: 1 });
    expect(admitOnce(always).every(Boolean)).toBe(true);
  });
});
