import { describe, expect, it } from 'vitest';
import type { Column } from '../../src/chunks/column.js';
import { createLineScanner } from '../../src/data/readers/json-lines.js';
import { TextPlace } from '../../src/data/readers/text-place.js';

/** Scans one line per value of the key `a`; undefined is a line without it. */
function scan(values: readonly (string | undefined)[]): Column {
  const lines = values.map((value) => (value === undefined ? '{"b":1}\n' : `{"b":"x","a":${value}}\n`)).join('');
  const [chunk] = createLineScanner(['a'])(Buffer.from(lines), new TextPlace(0));
  return chunk!.columns.get('a')!;
}

describe('bytes of a JSON column', () => {
  const PLAIN = [
    ['"plain"', 'plain'],
    ['""', ''],
    ['null', ''],
    [undefined, ''],
    ['"é漢😀"', 'é漢😀'],
    ['7', '7'],
    ['-1.50e3', '-1.50e3'],
    ['" a b "', ' a b '],
  ] as const;

  it('are its texts', () => {
    const column = scan(PLAIN.map(([value]) => value));
    const { bytes, begins, ends, stride, gap } = column.utf8!;
    for (const [row, [, text]] of PLAIN.entries()) {
      expect(column.text(row)).toBe(text);
      expect(Buffer.from(bytes).toString('utf8', begins[row * stride]! + gap, ends[row * stride])).toBe(text);
    }
  });

  it.each(['"a\\nb"', '"\\u00e9"', '[1,2]', '{"c":1}', 'true', 'false'])('are absent if a value is %s', (odd) => {
    const column = scan(['"plain"', odd, undefined]);
    expect(column.utf8).toBeUndefined();
    expect(column.text(0)).toBe('plain');
  });
});
