import { describe, expect, it } from 'vitest';
import { createIdCounter, createIdTable, lookUp } from '../../src/features/vocabulary/id-table.js';
import { appendIds } from '../../src/prepare/vocabulary.js';
import { createSessionTable, findSession, sessionHash } from '../../src/prepare/session-table.js';
import { randomStream } from '../../src/core/random.js';

describe('id tables', () => {
  it('count and find any ids below 2^53 - 1 like a Map', () => {
    const random = randomStream(1, 'ids');
    const counter = createIdCounter();
    const counts = new Map<number, number>();
    for (let i = 0; i < 40_000; i++) {
      // Neighbors, multiples of 2^32 and large ids, with repetitions.
      const id = [
        random.below(3000),
        random.below(3000) * 2 ** 32,
        Number.MAX_SAFE_INTEGER - 1 - random.below(3000),
        random.below(2 ** 40),
      ][i % 4]!;
      const times = 1 + random.below(3);
      counter.add(id, times);
      counts.set(id, (counts.get(id) ?? 0) + times);
    }
    expect(counter.distinct).toBe(counts.size);
    const frequent = counter.frequent(5);
    expect([...frequent]).toEqual(
      [...counts]
        .filter(([, count]) => count >= 5)
        .sort(([a, x], [b, y]) => y - x || a - b)
        .map(([id]) => id),
    );
    const table = createIdTable(Float64Array.of(-1, ...frequent));
    for (const [id, count] of counts) expect(lookUp(table, id)).toBe(count >= 5 ? frequent.indexOf(id) + 1 : 0);
  });
});

describe('ids of a shared vocabulary', () => {
  it('are those of the first field, then the other ones of the second: hundreds of thousands, too', () => {
    expect([...appendIds(Float64Array.of(3, 1, 2), Float64Array.of(2, 9, 3, 4))]).toEqual([3, 1, 2, 9, 4]);
    const count = 400_000;
    const ids = Float64Array.from({ length: count }, (_, i) => i);
    const others = ids.map((id) => id + count / 2);
    expect(appendIds(ids, others)).toEqual(Float64Array.from({ length: 1.5 * count }, (_, i) => i));
  });
});

describe('session table', () => {
  const keysOf = (texts: readonly string[]) => {
    const offsets = [0];
    for (const text of texts) offsets.push(offsets.at(-1)! + text.length);
    return { offsets: Uint32Array.from(offsets), bytes: Buffer.from(texts.join(''), 'latin1') };
  };

  it('finds the first of equal indices, and no missing ones', () => {
    const texts = Array.from({ length: 5000 }, (_, i) => (i * 7919).toString(36).repeat(1 + (i % 3)));
    const { table, repeated } = createSessionTable([
      keysOf(texts.slice(0, 1234)),
      keysOf([]),
      keysOf([...texts.slice(1234), texts[17]!]),
    ]);
    expect(repeated).toBe(5001 - new Set(texts).size);
    for (const [i, text] of texts.entries()) {
      const line = Buffer.from(`x,${text},y`);
      expect(findSession(table, line, 2, 2 + text.length)).toBe(texts.indexOf(text));
      expect(findSession(table, line, 1, 2 + text.length), String(i)).toBe(-1);
    }
  });

  it('distributes keyed hashes evenly', () => {
    const { table } = createSessionTable([
      keysOf(Array.from({ length: 4000 }, (_, i) => i.toString(16).padStart(16, 'a'))),
    ]);
    const share = (key: number): boolean[] =>
      Array.from({ length: 4000 }, (_, s) => sessionHash(table, s, key) < 0.1 * 2 ** 32);
    const [one, other] = [share(1), share(2)];
    for (const chosen of [one, other]) expect(Math.abs(chosen.filter(Boolean).length - 400)).toBeLessThan(80);
    expect(one).not.toEqual(other);
    expect(share(1)).toEqual(one);
  });
});
