import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkRows } from '../../src/chunks/chunk.js';
import { cutLists } from '../../src/features/cut-lists.js';
import type { ListForm } from '../../src/features/feature.js';

const FORM: ListForm = { format: 'auto', items: '|', weight: undefined, keepsMissing: true };

/** Cuts texts of rows, which are stored one after the other. */
function cut(texts: readonly string[], form: ListForm = FORM) {
  const bytes = Buffer.from(texts.join(''));
  const ends = Uint32Array.from(texts, (_, row) => Buffer.byteLength(texts.slice(0, row + 1).join('')));
  const begins = Uint32Array.from(texts, (_, row) => (row === 0 ? 0 : ends[row - 1]!));
  const rows = new ChunkRows({ rows: texts.length, columns: new Map(), numLines: texts.length, cellsOf: () => [] });
  return cutLists(rows, { bytes, begins, ends, stride: 1, gap: 0 }, form);
}

const number = fc.oneof(
  fc.integer({ min: -99, max: 2_000_000_000 }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.stringMatching(/^-?\d{0,9}\.?\d{0,9}$/),
  fc.constantFrom('', '0', '-0', '007', '0.0', '5.', '.5', '-', '.', '+1', '1e3', 'x', 'ü', '123456789012345', '0.1'),
);

describe('lists that are cut as bytes', () => {
  it('have the items of split texts, and the numbers that JavaScript parses', () => {
    fc.assert(
      fc.property(fc.array(fc.array(number, { maxLength: 40 }), { minLength: 1, maxLength: 12 }), (lists) => {
        const texts = lists.map((list) => list.join('|'));
        const expected = texts.map((text) => (text === '' ? [] : text.split('|')));
        const { offsets, items } = cut(texts)!;
        const values = items.numbers!.values;
        for (const [row, list] of expected.entries()) {
          expect(offsets[row + 1]! - offsets[row]!).toBe(list.length);
          for (const [i, text] of list.entries()) {
            const value = values[offsets[row]! + i]!;
            expect(items.text(offsets[row]! + i)).toBe(text);
            // A number is exact, and an integer has no other text; NaN leaves it to the text.
            if (!Number.isNaN(value)) expect(value).toBe(Number(text));
            if (Number.isInteger(value)) expect(text).toBe(String(value));
            if (/^[1-9]\d{0,14}$/.test(text)) expect(value).toBe(Number(text));
          }
        }
      }),
    );
  });

  it('are left to the general parser if they may be JSON, have weights, or miss an item', () => {
    expect(cut(['1|2', '[3]'])).toBeUndefined();
    expect(cut(['[3'], { ...FORM, format: 'separated' })).toBeDefined();
    expect(cut(['1|2'], { ...FORM, format: 'json' })).toBeUndefined();
    expect(cut(['1|2:3'], { ...FORM, weight: ':' })).toBeUndefined();
    expect(cut(['1||2'], { ...FORM, keepsMissing: false })).toBeUndefined();
    expect(cut(['1|2'], { ...FORM, items: '¦' })).toBeUndefined();
  });
});
