import { existsSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCells } from '../../src/data/readers/csv-cells.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { columnIndices } from '../../src/data/readers/column-indices.js';
import { openCsv } from '../../src/data/readers/csv.js';
import { openRows } from '../../src/data/readers/open-rows.js';
import { readLines } from '../support/read-rows.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

/** Reads all rows as values; plain rows are split at commas. */
async function read(
  content: string | Uint8Array,
  chunkBytes?: number,
): Promise<{ header: readonly string[]; rows: (readonly string[])[]; lines: number[]; shares: number[] }> {
  const csv = await openCsv(scratchFile('data.csv', content), {}, [], chunkBytes);
  const rows: (readonly string[])[] = [];
  const lines: number[] = [];
  const shares: number[] = [];
  for await (const piece of readLines(csv)) {
    shares.push(piece.progress);
    for (const { cells, line, expected } of piece.lines) {
      if (expected !== undefined)
        refuseBadRows.reject({ path: csv.path, line, column: undefined, value: undefined, expected, cells });
      rows.push(cells);
      lines.push(line);
    }
  }
  return { header: csv.header, rows, lines, shares };
}

describe('CSV', () => {
  it.each([
    ['LF', 'a,b\n1,2\n3,4\n'],
    ['CRLF', 'a,b\r\n1,2\r\n3,4\r\n'],
    ['CR', 'a,b\r1,2\r3,4\r'],
    ['mixed line ends', 'a,b\r\n1,2\n3,4\r\n'],
    ['no final line end', 'a,b\n1,2\n3,4'],
    ['a byte order mark', '\ufeffa,b\n1,2\n3,4\n'],
  ])('is read with %s', async (_, content) => {
    expect(await read(content)).toMatchObject({
      header: ['a', 'b'],
      rows: [
        ['1', '2'],
        ['3', '4'],
      ],
      lines: [2, 3],
    });
  });

  it('reports the line on which each row ends, across empty lines and quoted line ends', async () => {
    expect((await read('a,b\n1,2\n\n"3\n3",4\n5,"6,""7"""\n')).lines).toEqual([2, 5, 6]);
  });

  it('is read completely in several reads, with progress', async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => `${i},${'x'.repeat(i % 7)}`);
    const { rows: found, shares } = await read(`a,b\n${rows.join('\n')}\n`, 1 << 16);
    expect(found.map((cells) => cells.join(','))).toEqual(rows);
    expect(shares.length).toBeGreaterThan(2);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
  });

  it.each([
    ['a quote that is not closed', 'a,b\n1,2\n"3,4\n5,6\n', /data\.csv:3: a quoted value is never closed/],
    [
      'text after a quote',
      'a,b\n1,"2"x\n',
      /data\.csv:2: expected a comma or the end of the line after a closing quote/,
    ],
    [
      'a quote within a value',
      'a,b\n1,2"x\n',
      /data\.csv:2: expected a value that contains a quote to be fully quoted/,
    ],
    [
      'a row without an end',
      `a,b\n1,2\n"${'x'.repeat(2_000_000)}`,
      /data\.csv:3: expected a quoted value to be closed within 1048576 bytes/,
    ],
    [
      'a row that is too long',
      `a,b\n1,2\n${'x'.repeat(2_000_000)}\n3,4\n`,
      /data\.csv:3: expected a row of at most 1048576 bytes/,
    ],
    [
      'a row that is too long, with quotes',
      `a,b\n1,2\n"${'x'.repeat(600_000)}","${'x'.repeat(600_000)}"\n3,4\n`,
      /data\.csv:3: expected a row of at most 1048576 bytes/,
    ],
    ['truncated gzip', gzipSync('a,b\n1,2\n').subarray(0, 20), /is truncated: the gzip data ends early/],
    ['damaged gzip', Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 255, 255), /is damaged: invalid gzip data/],
    [
      'UTF-32',
      Uint8Array.of(0xff, 0xfe, 0, 0, 97, 0, 0, 0),
      /is UTF-32 text; expected UTF-8; convert it: iconv -f UTF-32 /,
    ],
    ['big-endian UTF-32', Uint8Array.of(0, 0, 0xfe, 0xff, 0, 0, 0, 97), /is UTF-32 text/],
    ['empty UTF-16', Uint8Array.of(0xff, 0xfe), /data\.csv: is empty/],
    [
      'truncated UTF-16',
      Uint8Array.of(0xff, 0xfe, 97, 0, 98),
      /data\.csv:1: ends in the middle of a utf-16le character; set data\.encoding/,
    ],
    ['UTF-32 in gzip', gzipSync(Uint8Array.of(0, 0, 0xfe, 0xff, 0, 0, 0, 97)), /is UTF-32 text/],
    ['no content', '', /data\.csv: is empty/],
    [
      'no header',
      '1,0,7,7,0.5\n1,1,8,9,0.5\n',
      /data\.csv:1: expected a header with column names, found "7" twice in "1,0,7,7,0\.5", which looks like a row; add a header line/,
    ],
    [
      'no header, and strings',
      '1,red,red,0.5,\n',
      /data\.csv:1: expected a header .* found "red" twice in .* looks like a row/,
    ],
    ['a duplicate column', 'a,b,a\n1,2,3\n', /data\.csv:1: column "a": is in the header twice/],
  ])('with %s is rejected with its location', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
    await expect(read(content)).rejects.toMatchObject({ exitCode: 3 });
  });

  it('equals the output of csv-parse for any chunk size, compressed or not', { tags: ['long'] }, async () => {
    const cell = fc.oneof(
      fc.constantFrom(
        '',
        '0',
        '17',
        '-1.5',
        'ü',
        '\0',
        '\t x',
        '"a"',
        '""',
        '"a,b"',
        '"a""b"',
        '"x\ny"',
        '"x\r\ny"',
        '"\r"',
      ),
      fc.string({ unit: fc.constantFrom('1', 'a', '.', ' ', '😀'), maxLength: 12 }),
    );
    const row = fc.array(cell, { minLength: 1, maxLength: 4 }).map((cells) => cells.join(','));
    const end = fc.constantFrom('\n', '\n', '\n', '\r\n', '\r', '\n\n');
    const files = fc.record({
      rows: fc.array(fc.tuple(row, end), { maxLength: 30 }),
      last: fc.constantFrom('', '1,2', '"', '"a'),
      chunkBytes: fc.integer({ min: 1, max: 200 }),
      isGzip: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(files, async ({ rows, last, chunkBytes, isGzip }) => {
        const bytes = Buffer.from(`h1,h2\n${rows.flat().join('')}${last}`);
        const expected = parseCells(bytes, 1);
        const attempt = read(isGzip ? gzipSync(bytes) : bytes, chunkBytes);
        if (expected.error !== undefined) await expect(attempt).rejects.toThrow(`data.csv:${expected.errorLine}: `);
        else {
          const found = await attempt;
          expect([found.header, ...found.rows]).toEqual(expected.rows);
          expect([1, ...found.lines]).toEqual(expected.lines);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('has the line numbers of csv-parse', () => {
    const bytes = Buffer.from('a,b\n\n1,"2\n3"\r\n4,5\r6,7\n\n8,9');
    const lines: number[] = [];
    parse(bytes, {
      record_delimiter: ['\r\n', '\n', '\r'],
      skip_empty_lines: true,
      on_record: (_, context) => void lines.push(context.lines),
    });
    expect(parseCells(bytes, 1).lines).toEqual(lines);
  });

  it.skipIf(!existsSync('/dev/null'))('that is a device is rejected', async () => {
    await expect(openRows('/dev/null', [])).rejects.toThrow(/is a device, not a file/);
  });

  it('that does not exist or is a directory is rejected', async () => {
    await expect(openCsv('nowhere.csv')).rejects.toThrow('nowhere.csv: no such file');
    await expect(openCsv(scratchFolder())).rejects.toThrow(/is a directory/);
  });

  it('reports all missing columns at once', async () => {
    const csv = await openCsv(scratchFile('data.csv', 'click,purchase,101\n'));
    expect(() => columnIndices(csv, ['click', 'purchse', '121'])).toThrow(
      /column "purchse".*did you mean 'purchase'\?(.|\n)*column "121"/,
    );
  });

  it('without a header is detected if no value of the first row repeats', async () => {
    const csv = await openCsv(scratchFile('data.csv', '1,0,7,0.5\n0,0,8,0.5\n'));
    expect(() => columnIndices(csv, ['click', '101'])).toThrow(
      /^[^\n]*data\.csv:1: expected a header with column names, found none of the columns that the config uses in "1,0,7,0\.5", which looks like a row; [^\n]*$/,
    );
  });

  it('with an unexpected delimiter is reported once', async () => {
    const csv = await openCsv(scratchFile('data.csv', 'click;purchase;101\n0;0;7\n'), { delimiter: '|' });
    expect(() => columnIndices(csv, ['click', 'purchase', '101'])).toThrow(
      /^[^\n]*data\.csv:1: expected "\|" as the delimiter in the header, found a single column that contains ";"; set data\.delimiter: ";", or convert the file$/,
    );
  });
});
