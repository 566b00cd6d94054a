/** @module-tag long */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findKey, hashKey } from '../../src/core/key-table.js';
import { loadedFitted, storedFitted } from '../../src/features/fitted.js';
import { sortTexts } from '../../src/features/vocabulary/sort-texts.js';
import { TextCounter } from '../../src/features/vocabulary/text-counter.js';
import { createTextTable } from '../../src/features/vocabulary/text-table.js';
import { listStrings, textsFrom, textTensors, textsOfTensors } from '../../src/features/vocabulary/string-pool.js';
import { createUtf8Writer } from '../../src/features/vocabulary/utf8.js';
import { sortByCount } from '../../src/core/sort-by-count.js';

const utf8 = createUtf8Writer();
const bytesOf = (text: string): Uint8Array => utf8.bytes.subarray(0, utf8.write(text));
const idIn = (table: ReturnType<typeof createTextTable>, text: string): number =>
  findKey(table, bytesOf(text), 0, utf8.write(text));

const whole = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(
    '',
    '\0',
    '\0\0',
    'a',
    'a\0',
    'ab',
    'abc',
    'abcd',
    'abcde',
    '\ufffd',
    '\uffff',
    '\ue000',
    '\ud7ff',
    '\u{10000}',
    '\u{10ffff}',
    'é',
    'e\u0301',
    '__proto__',
    'constructor',
  ),
  // Long ones that differ late, or end one within the other.
  fc
    .tuple(
      fc.constantFrom('x', '東', '😀'),
      fc.integer({ min: 0, max: 400 }),
      fc.constantFrom('', 'a', '\0', '\ue000', '😀'),
    )
    .map(([unit, times, end]) => unit.repeat(times) + end),
);
/** Texts with halves of surrogate pairs as well, which are none. */
const any = fc.oneof(
  { weight: 4, arbitrary: whole },
  { weight: 1, arbitrary: fc.constantFrom('\ud800', '\udc00', '\ud83d', 'a\udfff', '\udc00\ud800', '\ud83dx') },
);

/** A counter that counted texts, known ones by their bytes as a reader of files does. */
function counted(texts: readonly string[]): TextCounter {
  const counter = new TextCounter('item');
  for (const text of texts) {
    // Somewhere in the bytes of a file.
    const file = Buffer.concat([Buffer.from('1,'), bytesOf(text), Buffer.from(',2\n')]);
    const number = counter.numberOf(file, 2, file.length - 3);
    if (number > 0) counter.countAgain(Float64Array.of(number), 0, 1);
    else counter.count(text);
  }
  return counter;
}

describe('a string counter', () => {
  it('counts as a JavaScript Map, and returns frequent strings by count and string', () => {
    fc.assert(
      fc.property(
        fc.array(whole, { maxLength: 300, size: 'max' }),
        fc.integer({ min: 1, max: 3 }),
        (texts, minCount) => {
          const counts = new Map<string, number>();
          for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
          counts.delete('');
          const expected = [...counts]
            .filter(([, count]) => count >= minCount)
            .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
          expect(listStrings(counted(texts).frequent(minCount))).toEqual(expected.map(([text]) => text));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('distinguishes lone surrogates from each other and from similar strings', () => {
    fc.assert(
      fc.property(fc.array(any, { maxLength: 60 }), (texts) => {
        const counter = counted(texts);
        const distinct = [...new Set(texts)];
        const numbers = distinct.map((text) => counter.numberOf(bytesOf(text), 0, utf8.write(text)));
        expect(numbers).toEqual(distinct.map((_, i) => i + 1));
        expect(counter.numberOf(bytesOf('not there'), 0, 9)).toBe(0);
      }),
    );
  });

  it('supports a few hundred thousand strings, some with equal hashes', () => {
    const texts = Array.from({ length: 300_000 }, (_, i) => `user_${(i * 7919) % 300_000}`);
    const hashes = new Set(texts.map((text) => hashKey(bytesOf(text), 0, utf8.write(text))));
    // By the birthday paradox about ten are expected.
    expect(hashes.size).toBeLessThan(texts.length);
    const twice = texts.filter((_, i) => i % 3 === 0);
    const kept = counted([...texts, ...twice]).frequent(1);
    expect(listStrings(kept)).toEqual([...twice.toSorted(), ...texts.filter((_, i) => i % 3 !== 0).toSorted()]);
    const table = createTextTable(kept);
    const ids = listStrings(kept).map((text) => idIn(table, text));
    expect(ids.findIndex((id, i) => id !== i + 1)).toBe(-1);
    expect(idIn(table, 'user_300000')).toBe(0);
  });

  it('rejects more bytes than its limit, with a fix', () => {
    const counter = new TextCounter('item', 10);
    for (const text of ['abcd', 'efgh', 'abcd', 'ij']) counter.count(text);
    expect(() => counter.count('k')).toThrow(/field 'item': has more than 3 distinct strings with 1 kB.*hash/);
    expect(listStrings(counter.frequent(1))).toEqual(['abcd', 'efgh', 'ij']);
  });
});

/** Stands in a vacant place: no text has its id. */
const VACANT_TEXT = '\uffff';

describe('a string table', () => {
  it('maps strings to their index plus one, as a Map does', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          whole.filter((text) => text !== VACANT_TEXT),
          { maxLength: 200, size: 'max' },
        ),
        fc.array(any),
        (texts, others) => {
          const table = createTextTable(textsFrom(texts));
          const map = new Map(texts.map((text, i) => [text, i + 1]));
          for (const text of [...texts, ...others]) expect(idIn(table, text)).toBe(map.get(text) ?? 0);
          expect(listStrings(table)).toEqual(texts);
        },
      ),
    );
  });

  it('rejects duplicates and invalid strings', () => {
    expect(() => createTextTable(textsFrom(['a', 'b', 'a']))).toThrow(/1 of 3 texts came before/);
    expect(() => textsFrom(['a', '\ud800b'])).toThrow(/half a surrogate pair/);
  });

  it('loads from disk, short ones from lists and long ones from tensors', () => {
    const short = createTextTable(textsFrom(['b', '', 'ü😀']));
    const long = createTextTable(textsFrom(Array.from({ length: 20_000 }, (_, i) => `${i}`)));
    const fitted = { a: { vocabulary: short }, 'b.c': { vocabulary: long, size: 3 }, d: { boundaries: [1, 2] } };
    const { json, tensors } = storedFitted(fitted);
    expect(json).toEqual({
      a: { vocabulary: ['b', '', 'ü😀'] },
      'b.c': { vocabulary: { texts: 20_000 }, size: 3 },
      d: { boundaries: [1, 2] },
    });
    expect([...tensors.keys()]).toEqual(['b.c.vocabulary.bytes', 'b.c.vocabulary.offsets']);
    expect(loadedFitted({ json, tensors })).toEqual({ ...json, 'b.c': fitted['b.c'] });
  });

  it('rejects invalid tensors', () => {
    const good = textTensors(textsFrom(['a', 'b']), 'x');
    const { bytes, offsets } = { bytes: good.get('x.bytes')!, offsets: good.get('x.offsets')! };
    const of = (...values: number[]) => ({ shape: [values.length], data: Uint32Array.from(values) });
    expect(textsOfTensors(new Map(), 'x')).toBeUndefined();
    for (const broken of [
      [['x.bytes', bytes]],
      [['x.offsets', offsets]],
      [
        ['x.bytes', bytes],
        ['x.offsets', of(0, 2, 1)],
      ],
      [
        ['x.bytes', bytes],
        ['x.offsets', of(0, 1)],
      ],
      [
        ['x.bytes', bytes],
        ['x.offsets', of(1, 2)],
      ],
      [
        ['x.bytes', bytes],
        ['x.offsets', of()],
      ],
      [
        ['x.bytes', offsets],
        ['x.offsets', offsets],
      ],
    ] as const) {
      expect(() => textsOfTensors(new Map(broken), 'x')).toThrow(/^x\.(?:bytes|offsets): .*; use another checkpoint$/);
    }
  });
});

describe('sorting', () => {
  it('sorts strings as JavaScript does, with any common prefix', () => {
    const alike = fc
      .tuple(
        fc.constantFrom('', 'abc', 'abcabc', '東京', '\0\0\0'),
        fc.string({ unit: fc.constantFrom('a', 'b', '\0', 'é', '\ud7ff', '\ue000', '\uffff', '😀'), maxLength: 9 }),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.uniqueArray(fc.oneof(alike, whole), { maxLength: 400, size: 'max' }), (list) => {
        const texts = textsFrom(list);
        const order = Uint32Array.from(list, (_, i) => i);
        sortTexts(texts, order);
        // toSorted goes by the units of UTF-16.
        expect(Array.from(order, (i) => list[i])).toEqual(list.toSorted());
      }),
      { numRuns: 300 },
    );
  });

  it('sorts long common prefixes without a stack overflow', () => {
    const list = Array.from({ length: 40 }, (_, i) => 'x'.repeat(300_000) + String(i).padStart(2, '0')).reverse();
    const order = Uint32Array.from(list, (_, i) => i);
    sortTexts(textsFrom(list), order);
    expect([...order]).toEqual(Array.from(list, (_, i) => list.length - 1 - i));
  });

  it('by counts is stable, largest first', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2 ** 32 - 1 })), {
          maxLength: 200,
        }),
        (counts) => {
          const order = Uint32Array.from(counts, (_, i) => i).reverse();
          const expected = [...order].sort((a, b) => counts[b]! - counts[a]!);
          sortByCount(order, Uint32Array.from(counts));
          expect([...order]).toEqual(expected);
        },
      ),
    );
  });
});
