import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addKey,
  createAppendOnlyTable,
  createKeyFinder,
  createKeyTable,
  findKey,
  keyBytes,
  putKey,
  removeKey,
  reserveKeys,
} from '../../src/core/key-table.js';

/** Keys with shared prefixes and lengths, also empty ones, and some of many bytes. */
const key = fc.oneof(
  { weight: 9, arbitrary: fc.stringMatching(/^[ab]{0,5}$/) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('x', 'y'), fc.nat(90)).map(([unit, times]) => unit.repeat(times)) },
);
/** The bytes of a key after others, as in a file. */
const within = (text: string): [Uint8Array, number, number] => [Buffer.from(`<${text}>`), 1, 1 + text.length];

describe('a table of keys', () => {
  it('has the ids of a Map after additions and removals, and gives the ids of removed keys to new ones', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.boolean()), { maxLength: 400, size: 'max' }), (steps) => {
        const table = createKeyTable(2);
        const ids = new Map<string, number>();
        const free: number[] = [];
        let maxBytes = 0;
        for (const [text, isRemoval] of steps) {
          const known = ids.get(text);
          if (isRemoval) {
            if (known === undefined) continue;
            removeKey(table, known);
            ids.delete(text);
            free.push(known);
          } else {
            const id = known ?? free.pop() ?? ids.size + 1;
            ids.set(text, id);
            expect(addKey(table, ...within(text))).toBe(id);
          }
          expect(table.numKeys).toBe(ids.size);
          const numBytes = [...ids.keys()].reduce((sum, { length }) => sum + length, 0);
          expect(table.numBytes - table.numUnused).toBe(numBytes);
          maxBytes = Math.max(maxBytes, numBytes);
        }
        for (const [text] of steps) expect(findKey(table, ...within(text))).toBe(ids.get(text) ?? 0);
        for (const [text, id] of ids) expect(Buffer.from(keyBytes(table, id)).toString()).toBe(text);
        // Memory follows the keys, and not the number of changes.
        expect(table.bytes.length).toBeLessThanOrEqual(Math.max(1024, 2 * maxBytes));
      }),
    );
  });

  it('finds many keys at once as one by one, while it grows', () => {
    fc.assert(
      fc.property(fc.array(fc.array(key, { minLength: 1, maxLength: 60 }), { maxLength: 20 }), (rounds) => {
        const table = createAppendOnlyTable();
        const find = createKeyFinder(table);
        for (const texts of rounds) {
          // A byte before each key, which is the end of the one before.
          const bytes = Buffer.from(texts.map((text) => `,${text}`).join(''));
          let end = 0;
          const ends = Uint32Array.from([0, ...texts.map((text) => (end += 1 + text.length))]);
          const into = new Float64Array(texts.length + 3).fill(-1);
          find({ bytes, begins: ends, ends: ends.subarray(1), stride: 1, gap: 1 }, texts.length, into, 2);
          expect([...into]).toEqual([-1, -1, ...texts.map((text) => findKey(table, ...within(text))), -1]);
          for (const text of texts) addKey(table, ...within(text));
          // Each begin is the end of the key before.
          expect(table.begins.subarray(1, table.highest + 1)).toEqual(table.ends.subarray(0, table.highest));
        }
      }),
    );
  });

  it('rejects another id for a key, and more bytes than its limit', () => {
    const table = createKeyTable(4);
    expect(reserveKeys(table, 4, 10, 10)).toBe(true);
    expect([putKey(table, 3, ...within('a')), putKey(table, 1, ...within('a'))]).toEqual([true, false]);
    expect([reserveKeys(table, 1, 9, 10), reserveKeys(table, 1, 10, 10)]).toEqual([true, false]);
    expect([addKey(table, ...within('123456789'), 10), addKey(table, ...within('b'), 10)]).toEqual([4, 0]);
    removeKey(table, 3);
    expect(addKey(table, ...within('b'), 10)).toBe(3);
    expect(reserveKeys(table, 2 ** 31, 0)).toBe(false);
  });
});
