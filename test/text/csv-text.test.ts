import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csvText } from '../../src/text/csv-text.js';

describe('CSV that is written', () => {
  it('prefixes spreadsheet formulas with an apostrophe, but not numbers', () => {
    expect(
      csvText([
        ['=1+1', '+x', '-x', '@x', '\tx', '＝x', 'x=1', ''],
        [-1.5, 2, '-1.5', '+3', '-1e5', '-', '--1', '1'],
      ]),
    ).toBe(`'=1+1,'+x,'-x,'@x,'\tx,'＝x,x=1,\n-1.5,2,-1.5,+3,-1e5,'-,'--1,1\n`);
  });

  it('round-trips any content, except for those apostrophes', () => {
    const cell = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('=', '-', '"', ',', '\n', '\r', "'", '1', 'e', '\u001b') }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1 }), (rows) => {
        const back = parse(csvText(rows), { record_delimiter: '\n' });
        expect(back).toEqual(
          rows.map((cells) =>
            cells.map((text) =>
              /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(text) && !/^[+-]\d+(e\d+)?$/.test(text) ? `'${text}` : text,
            ),
          ),
        );
        for (const text of back.flat()) expect(/^[=@\t\r]/.test(text)).toBe(false);
      }),
    );
  });
});
