import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admissions } from '../../src/features/admissions/admissions.js';
import { evictions } from '../../src/features/evictions/evictions.js';
import { GrowthPatcher } from '../../src/features/vocabulary/growth-patcher.js';
import {
  growthChanges,
  restoreGrowth,
  startGrowth,
  storeGrowth,
  type StoredGrowth,
} from '../../src/features/vocabulary/growth-state.js';
import type { GrowingVocabulary, GrowthOptions } from '../../src/features/vocabulary/growing-vocabulary.js';
import { textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { createTextTable } from '../../src/features/vocabulary/text-table.js';

/** Options of a vocabulary that counts exactly and evicts the least recently used token, by their values. */
interface Rules extends Pick<GrowthOptions, 'capacity' | 'unseen'> {
  readonly admitCount: number;
  readonly maxPending: number;
  /** Default: lru. */
  readonly evict?: 'lru' | 'lfu';
}

const optionsOf = ({ capacity, unseen, admitCount, maxPending, evict: name = 'lru' }: Rules): GrowthOptions => ({
  capacity,
  unseen,
  admission: admissions.build({ name: 'exact', count: admitCount, pending: maxPending }, 1),
  eviction: evictions.build(evictions.schema.parse({ name })),
});
const NEVER = { maxPending: 1000, unseen: undefined };
const SEED = 7;
const start = (rules: Partial<Rules>, texts: readonly string[] = []): GrowingVocabulary =>
  startGrowth(
    optionsOf({ capacity: 10, admitCount: 1, ...NEVER, ...rules }),
    { vocabulary: createTextTable(textsFrom(texts)), rare: undefined },
    SEED,
  );

/** Assigns the tokens of a batch. */
function assignAll(vocabulary: GrowingVocabulary, tokens: readonly string[], timeMs?: number): readonly number[] {
  vocabulary.startBatch(timeMs);
  return tokens.map((token, row) => {
    const bytes = Buffer.from(token);
    return vocabulary.assign(bytes, 0, bytes.length, row);
  });
}

/** A token of the oracle. */
interface Known {
  token: string;
  batch: number;
  timeMs: number;
  /** Occurrences before it has a row, then uses of the row. */
  count: number;
  key: number;
}

/** The rules, written as directly as possible: lists in order of use, searched from the front. */
class Oracle {
  readonly #options: Rules;
  readonly rows = new Map<number, Known>();
  /** Rows and counted tokens from the least to the most recently used. */
  #order: number[] = [];
  pending: Known[] = [];
  #batch = 0;
  #timeMs = -Infinity;
  /** Key of the last evicted token. */
  #age = 0;

  constructor(options: Rules) {
    this.#options = options;
  }

  assignAll(tokens: readonly string[], timeMs: number): readonly number[] {
    this.#batch++;
    this.#timeMs = Math.max(this.#timeMs, timeMs);
    const isSeen = ({ batch, timeMs: lastMs }: Known): boolean => {
      const { unseen } = this.#options;
      if (unseen === undefined) return true;
      return 'ms' in unseen ? this.#timeMs - lastMs <= unseen.ms : this.#batch - batch <= unseen.steps;
    };
    for (const row of this.#order.filter((each) => !isSeen(this.rows.get(each)!))) this.#remove(row);
    this.pending = this.pending.filter(isSeen);
    return tokens.map((token) => this.#assign(token));
  }

  #assign(token: string): number {
    const now = { token, batch: this.#batch, timeMs: this.#timeMs, key: 1 + this.#age };
    for (const [row, known] of this.rows) {
      if (known.token !== token) continue;
      this.rows.set(row, { ...now, count: known.count + 1, key: known.count + 1 + this.#age });
      this.#order = [...this.#order.filter((each) => each !== row), row];
      return row;
    }
    const count = (this.pending.find((each) => each.token === token)?.count ?? 0) + 1;
    this.pending = this.pending.filter((each) => each.token !== token);
    if (count >= this.#options.admitCount) {
      if (this.rows.size === this.#options.capacity) this.#evict();
      if (this.rows.size < this.#options.capacity) {
        let row = 1;
        while (this.rows.has(row)) row++;
        this.rows.set(row, { ...now, count: 1, key: 1 + this.#age });
        this.#order.push(row);
        return row;
      }
    }
    if (this.pending.length === this.#options.maxPending) this.pending.shift();
    this.pending.push({ ...now, count });
    return 0;
  }

  #evict(): void {
    const candidates = this.#order.filter((row) => this.rows.get(row)!.batch < this.#batch);
    const knownOf = (row: number): Known => this.rows.get(row)!;
    if (this.#options.evict === 'lfu')
      candidates.sort((a, b) => {
        const [one, other] = [knownOf(a), knownOf(b)];
        return one.key - other.key || one.batch - other.batch || b - a;
      });
    const [row] = candidates;
    if (row === undefined) return;
    this.#age = knownOf(row).key;
    this.#remove(row);
  }

  #remove(row: number): void {
    this.rows.delete(row);
    this.#order = this.#order.filter((each) => each !== row);
  }
}

const token = fc.integer({ min: 0, max: 14 }).map((i) => `${'x'.repeat(i % 11)}é${i}`);
const batches = fc.array(
  fc.record({ tokens: fc.array(token, { maxLength: 8 }), elapsedMs: fc.integer({ min: -2, max: 6 }) }),
  { minLength: 1, maxLength: 25 },
);
const options: fc.Arbitrary<Rules> = fc.record({
  capacity: fc.integer({ min: 1, max: 12 }),
  admitCount: fc.integer({ min: 1, max: 4 }),
  maxPending: fc.integer({ min: 1, max: 9 }),
  evict: fc.constantFrom('lru', 'lfu'),
  unseen: fc.oneof(
    fc.constant(undefined),
    fc.record({ steps: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ ms: fc.integer({ min: 1, max: 12 }) }),
  ),
});

describe('a growing vocabulary', () => {
  it('assigns the rows that a direct implementation of its rules does', () => {
    fc.assert(
      fc.property(options, batches, (own, stream) => {
        const [vocabulary, oracle] = [start(own), new Oracle(own)];
        let timeMs = 100;
        for (const { tokens, elapsedMs } of stream) {
          timeMs += elapsedMs;
          expect(assignAll(vocabulary, tokens, timeMs)).toEqual(oracle.assignAll(tokens, timeMs));
          expect(vocabulary.rows.size).toBe(oracle.rows.size);
          expect(vocabulary.admission.pending!.size).toBe(oracle.pending.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('continues as if it had not been saved, from a full state and from changes', () => {
    const saves = fc.array(fc.constantFrom('full', 'delta', 'none'), { minLength: 25, maxLength: 25 });
    const admission = fc.constantFrom(
      undefined,
      { name: 'sketch', count: 2, memory: '1kB', halveEvery: 7 } as const,
      { name: 'sketch', count: 300, memory: '2kB', halveEvery: 50 } as const,
      { name: 'probability', probability: 0.3 } as const,
    );
    fc.assert(
      fc.property(options, admission, batches, saves, (rules, admit, stream, kinds) => {
        const exact = optionsOf(rules);
        const own = admit === undefined ? exact : { ...exact, admission: admissions.build(admit, 1) };
        const live = startGrowth(own, { vocabulary: createTextTable(textsFrom(['first'])), rare: undefined }, SEED);
        // The first save is full, as in a run.
        let patcher: GrowthPatcher | undefined;
        let since = 0;
        let timeMs = 100;
        for (const [b, { tokens, elapsedMs }] of stream.entries()) {
          timeMs += elapsedMs;
          assignAll(live, tokens, timeMs);
          if (kinds[b] === 'none') continue;
          if (kinds[b] === 'full' || patcher === undefined) patcher = new GrowthPatcher('f', storeGrowth(live));
          else patcher.apply(growthChanges('f', live, since));
          const saved = patcher.store();
          since = live.now.batch;
          live.markSaved();
          expect(saved).toEqual(storeGrowth(live));
          const rest = (from: StoredGrowth): unknown => {
            const restored = restoreGrowth(own, from, SEED);
            const rows = stream.slice(b + 1).map((each) => assignAll(restored, each.tokens, timeMs));
            return [rows, storeGrowth(restored)];
          };
          expect(rest(saved)).toEqual(rest(storeGrowth(live)));
        }
        // Restored once in the middle: as if never saved.
        const [whole, half] = [live, restoreGrowth(own, storeGrowth(live), SEED)];
        for (const { tokens } of stream)
          expect(assignAll(half, tokens, timeMs)).toEqual(assignAll(whole, tokens, timeMs));
        expect(storeGrowth(half)).toEqual(storeGrowth(whole));
      }),
      { numRuns: 200 },
    );
  });

  it('applies a delta of an earlier version, which has no keys', () => {
    const live = start({ admitCount: 2 });
    assignAll(live, ['a', 'b', 'a']);
    const saved = storeGrowth(live);
    const since = live.now.batch;
    live.markSaved();
    assignAll(live, ['b', 'c', 'a']);
    const earlier = new Map([...growthChanges('f', live, since)].filter(([name]) => !name.endsWith('.keys')));
    expect(earlier.size).toBeGreaterThan(0);
    const patcher = new GrowthPatcher('f', saved);
    patcher.apply(earlier);
    expect(patcher.store()).toEqual(storeGrowth(live));
  });

  it('admits a token exactly at its Nth occurrence, over batches and within one', () => {
    const vocabulary = start({ admitCount: 3 });
    expect(assignAll(vocabulary, ['a', 'b', 'a'])).toEqual([0, 0, 0]);
    expect(assignAll(vocabulary, ['b', 'a', 'a'])).toEqual([0, 1, 1]);
    expect(assignAll(vocabulary, ['b', 'b'])).toEqual([2, 2]);
    expect(vocabulary.takeChanges()).toMatchObject({ admitted: Uint32Array.of(1, 2), cleared: new Uint32Array(0) });
    const report = { rows: 2, pending: 0, admitted: 2, expired: 0, evicted: 0, dropped: 0 };
    expect(vocabulary.report()).toEqual({ ...report, occurrences: 8, outOfVocabulary: 4 });
    expect(vocabulary.report()).toEqual({ ...report, admitted: 0, occurrences: 0, outOfVocabulary: 0 });
  });

  it('expires a token after N steps or a time without it, not at that step or time', () => {
    const bySteps = start({ unseen: { steps: 2 } });
    assignAll(bySteps, ['a', 'b']);
    assignAll(bySteps, ['b']);
    assignAll(bySteps, []);
    expect(bySteps.rows.size).toBe(2);
    bySteps.takeChanges();
    // Two steps have passed without a, one without b.
    expect(assignAll(bySteps, ['b'])).toEqual([2]);
    expect(bySteps.takeChanges().cleared).toEqual(Uint32Array.of(1));
    expect(bySteps.report()).toMatchObject({ rows: 1, expired: 1 });

    const byTime = start({ unseen: { ms: 1000 } });
    assignAll(byTime, ['a'], 5000);
    assignAll(byTime, ['b'], 6000);
    expect(byTime.rows.size).toBe(2);
    assignAll(byTime, [], 6001);
    expect(byTime.takeChanges()).toEqual({ admitted: Uint32Array.of(2), cleared: Uint32Array.of(1), batch: 3 });
    // A late batch does not turn the time of the stream back.
    assignAll(byTime, ['c'], 0);
    assignAll(byTime, [], 7000);
    expect([byTime.rows.size, byTime.now.timeMs]).toEqual([2, 7000]);
  });

  it('counts the time of a fit from the first batch', () => {
    const vocabulary = start({ unseen: { ms: 10 } }, ['a', 'b']);
    expect(assignAll(vocabulary, ['b'], 1e12)).toEqual([2]);
    expect(assignAll(vocabulary, ['b'], 1e12 + 10)).toEqual([2]);
    expect(vocabulary.rows.size).toBe(2);
    assignAll(vocabulary, [], 1e12 + 11);
    expect(vocabulary.rows.size).toBe(1);
  });

  it('evicts the rarest token of a fit first, then the least recently used', () => {
    const vocabulary = start({ capacity: 3 }, ['often', 'sometimes', 'rarely']);
    expect(assignAll(vocabulary, ['new'])).toEqual([3]);
    expect(assignAll(vocabulary, ['sometimes', 'newer'])).toEqual([2, 1]);
    expect(vocabulary.report()).toMatchObject({ admitted: 2, evicted: 2, rows: 3 });
    // All rows are used in this batch.
    expect(assignAll(vocabulary, ['new', 'newer', 'sometimes', 'late'])).toEqual([3, 1, 2, 0]);
  });

  it('evicts the least frequently used token, whose key becomes the age of later uses', () => {
    const vocabulary = start({ capacity: 2, evict: 'lfu' });
    // Keys 3 and 1.
    assignAll(vocabulary, ['often', 'often', 'often', 'once']);
    // The age becomes 1, so the keys are 1 + 1 and, of a token that returns, 1 + 2.
    expect(assignAll(vocabulary, ['b'])).toEqual([2]);
    expect(assignAll(vocabulary, ['c'])).toEqual([2]);
    // Both keys are 3: the token with the older batch is evicted, although it was used three times.
    expect(assignAll(vocabulary, ['d'])).toEqual([1]);
    expect(vocabulary.report()).toMatchObject({ admitted: 5, evicted: 3, rows: 2 });
    // A token that the batch uses keeps its row.
    expect(assignAll(vocabulary, ['c', 'd', 'e'])).toEqual([2, 1, 0]);
  });

  it('starts from the tokens and the counts of rare tokens of a fit', () => {
    const rare = {
      texts: textsFrom(['c', 'd']),
      counts: [
        [2, 1],
        [1, 1],
      ] as const,
    };
    const vocabulary = startGrowth(
      optionsOf({ capacity: 9, admitCount: 3, ...NEVER }),
      { vocabulary: createTextTable(textsFrom(['a', '\uffff', 'b'])), rare },
      SEED,
    );
    expect(assignAll(vocabulary, ['a', 'b', 'c', 'd', 'd'])).toEqual([1, 3, 2, 0, 4]);
    // The text of vacant ids is never a token.
    expect(assignAll(vocabulary, ['\uffff', '\uffff', '\uffff'])).toEqual([0, 0, 0]);
  });

  it('holds a million tokens in 100 bytes each', () => {
    const tokens = 1_000_000;
    const vocabulary = start({ capacity: tokens, maxPending: 1 });
    for (let batch = 0; batch < 10; batch++) {
      vocabulary.startBatch();
      for (let i = 0; i < tokens / 10; i++) {
        const bytes = Buffer.from(`item-${batch * 100_000 + i}`);
        vocabulary.assign(bytes, 0, bytes.length, i);
      }
    }
    expect(vocabulary.rows.size).toBe(tokens);
    // 8 bytes per slot of the index, 36 in arrays, 16 for the text, whose memory is twice as large at most.
    expect(vocabulary.byteLength).toBeLessThan(100 * tokens);
  });

  it('reuses the memory of texts', () => {
    const vocabulary = start({ capacity: 100 });
    const addAll = (round: number): void =>
      void assignAll(
        vocabulary,
        Array.from({ length: 100 }, (_, i) => `token-${String(100 * round + i).padStart(9, '0')}`),
      );
    for (let round = 0; round < 5; round++) addAll(round);
    const { byteLength } = vocabulary;
    for (let round = 5; round < 500; round++) addAll(round);
    expect(vocabulary.byteLength).toBe(byteLength);
  });
});
