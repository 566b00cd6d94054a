import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findKey } from '../../src/core/key-table.js';
import { listStrings, textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { createTextTable } from '../../src/features/vocabulary/text-table.js';
import {
  tokenCapacity,
  changeTokens,
  copyTokenTable,
  createTokenTable,
  type TokenChanges,
  type TokenTable,
} from '../../src/features/vocabulary/token-table.js';

const CAPACITY = 40;
const VACANT = '\uffff';

const tableOf = (texts: readonly string[]): TokenTable => createTokenTable(createTextTable(textsFrom(texts)), CAPACITY);

function find(table: TokenTable, text: string): number {
  const bytes = Buffer.from(`<${text}>`);
  return findKey(table, bytes, 1, bytes.length - 1);
}

/** Changes of tokens by id; an empty text is that of a token that was used. */
const changesOf = (removed: readonly number[], used: readonly (readonly [number, string])[]): TokenChanges => ({
  removed: Uint32Array.from(removed),
  used: Uint32Array.from(used, ([id]) => id),
  texts: textsFrom(used.map(([, text]) => text)),
});

/** Texts with shared prefixes and lengths, of one to four bytes per character. */
const text = fc.stringMatching(/^[ab\u00e9\u{1f600}]{1,4}$/u);

describe('a table of tokens that change', () => {
  it('finds what a map has after any changes', () => {
    const step = fc.record({
      removed: fc.uniqueArray(fc.integer({ min: 1, max: CAPACITY }), { maxLength: 15 }),
      added: fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: CAPACITY }), text), {
        selector: ([id]) => id,
        maxLength: 15,
      }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(text, { maxLength: 20 }), fc.array(step, { maxLength: 12 }), (first, steps) => {
        const idOf = new Map(first.map((each, i) => [each, i + 1]));
        let table = tableOf(first);
        const seen = new Set(first);
        for (const { removed, added } of steps) {
          const released = new Set([...removed, ...added.map(([id]) => id)]);
          for (const [each, id] of idOf) if (released.has(id)) idOf.delete(each);
          const fresh = added.filter(([, each]) => !idOf.has(each));
          const distinct = [...new Map(fresh.map(([id, each]) => [each, id]))];
          for (const [each, id] of distinct) idOf.set(each, id);
          const gone = [...released].filter((id) => ![...idOf.values()].includes(id));
          table = changeTokens(
            table,
            changesOf(
              gone,
              distinct.map(([each, id]) => [id, each]),
            ),
          )!;
          for (const each of [...added.map(([, name]) => name), ...first]) seen.add(each);
          for (const each of seen) expect([each, find(table, each)]).toEqual([each, idOf.get(each) ?? 0]);
          expect(table.numKeys).toBe(idOf.size);
        }
      }),
    );
  });

  it('moves a token to another id, and gives its id to a new one', () => {
    const table = tableOf(['a', 'b', VACANT, 'd']);
    expect([find(table, VACANT), find(table, 'd'), tokenCapacity(table)]).toEqual([0, 4, CAPACITY]);
    const changes = changesOf([4], [[1, 'c'], [2, ''], [40, 'a']]); // prettier-ignore
    const next = changeTokens(table, changes)!;
    expect(['a', 'b', 'c', 'd'].map((each) => find(next, each))).toEqual([40, 2, 1, 0]);
  });

  it('leaves its copy and the texts of the first tokens unchanged', () => {
    const texts = createTextTable(textsFrom(['a', 'b']));
    const table = createTokenTable(texts, CAPACITY);
    const copy = copyTokenTable(table);
    const next = changeTokens(table, changesOf([1], [[2, 'long text'], [3, 'c']]))!; // prettier-ignore
    expect(['a', 'b', 'long text', 'c'].map((each) => find(next, each))).toEqual([0, 0, 2, 3]);
    expect(['a', 'b', 'long text', 'c'].map((each) => find(copy, each))).toEqual([1, 2, 0, 0]);
    expect(listStrings(texts)).toEqual(['a', 'b']);
  });

  it('reuses memory: its size does not follow the number of changes', () => {
    let table = tableOf(['first']);
    for (let i = 0; i < 5000; i++) table = changeTokens(table, changesOf([], [[1 + (i % 3), `text ${i}`]]))!;
    expect([find(table, 'text 4999'), find(table, 'text 4996'), table.numKeys]).toEqual([2, 0, 3]);
    expect([table.bytes.length, table.index.length]).toEqual([1024, 32]);
  });

  it.each([
    ['an id above the capacity', [], [[CAPACITY + 1, 'x']]],
    ['id 0', [0], []],
    ['a used id without a token', [], [[7, '']]],
    ['a token that another id has', [], [[3, 'a']]],
  ] as const)('rejects %s', (_, removed, used) => {
    expect(changeTokens(tableOf(['a', 'b']), changesOf(removed, used))).toBeUndefined();
  });
});
