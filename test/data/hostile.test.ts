/** @module-tag long */
import { openSync, writeSync, closeSync, ftruncateSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCsv } from '../../src/data/files/csv.js';
import { parseCells } from '../../src/data/files/csv-cells.js';
import { refuseBadRows, skipBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { columnsOf, encodedFormat, rowFormatOf } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { storedFitted } from '../../src/features/fitted.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

// Files as they come from mail, spreadsheets and broken disks: either read right, or told with their place.

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const groups = [
  featureTypes.schema.parse({ type: 'categorical', fields: ['id'] }),
  featureTypes.schema.parse({ type: 'categorical', fields: ['word'], encoding: { name: 'tokens' } }),
  featureTypes.schema.parse({ type: 'numeric', fields: ['n'] }),
];
const HEADER = 'click,id,word,n\n';

/** The words, ids and numbers that are read; and the lines of rows that are skipped, with their columns. */
async function read(path: string): Promise<{ rows: unknown[]; skipped: string[] }> {
  const skipped: string[] = [];
  const policy: RejectPolicy = {
    count: 0,
    reject: (row) => {
      const told = `${row.line} ${row.column ?? 'row'}`;
      if (!skipped.includes(told)) skipped.push(told);
    },
  };
  const format = rowFormatOf({ tasks, groups });
  const reading = { policy, cache: { folder: scratchFolder() } };
  const source = await openSource(path, columnsOf(format));
  const fitted = await source.fit(format, reading);
  const words = ['', ...(storedFitted(fitted).json['word'] as { vocabulary: string[] }).vocabulary];
  const rows: unknown[] = [];
  for await (const { batch } of (await source.dataset(encodedFormat(format, fitted), reading)).batches(100)) {
    for (let r = 0; r < batch.rows; r++)
      rows.push([
        batch.labels.get('click')![r],
        batch.ids.get('id')![r],
        words[batch.ids.get('word')![r]!],
        batch.numbers.get('n')![r],
      ]);
  }
  return { rows, skipped };
}

const good = [1, 7, 'a', 0.5];

describe('a hostile CSV', () => {
  // The cases of csv-spectrum (https://github.com/max-mapper/csv-spectrum), on columns of our own.
  it.each<[string, string | Buffer, unknown[]]>([
    ['commas in quotes', '1,7,"a,b",0.5\n', [1, 7, 'a,b', 0.5]],
    ['quotes in quotes', '1,7,"a ""b""",0.5\n', [1, 7, 'a "b"', 0.5]],
    ['nothing in quotes', '1,7,"",0.5\n', [1, 7, '', 0.5]],
    ['line ends in quotes', '1,7,"a\nb",0.5\n', [1, 7, 'a\nb', 0.5]],
    ['line ends of Windows in quotes', '1,7,"a\r\nb",0.5\r\n', [1, 7, 'a\r\nb', 0.5]],
    ['JSON', '1,7,"{""type"": ""Point"", ""at"": [1,2]}",0.5\n', [1, 7, '{"type": "Point", "at": [1,2]}', 0.5]],
    ['everything in quotes', '"1","7","a","0.5"\n', good],
    ['U+FFFD', '1,7,a\ufffd,0.5\n', [1, 7, 'a\ufffd', 0.5]],
    ['U+FFFD in quotes', '1,7,"\ufffd,",0.5\n', [1, 7, '\ufffd,', 0.5]],
    ['text beyond ASCII', '1,7,ʤ 东京 😀,0.5\n', [1, 7, 'ʤ 东京 😀', 0.5]],
    ['blanks that are kept', '1,7, a ,0.5\n', [1, 7, ' a ', 0.5]],
    ['NUL bytes in a text', '1,7,a\0b,0.5\n', [1, 7, 'a\0b', 0.5]],
    ['an empty cell of text', '1,7,,0.5\n', [1, 7, '', 0.5]],
    ['line ends of Windows', '1,7,a,0.5\r\n', good],
    ['line ends of old', '1,7,a,0.5\r', good],
    ['no line end at all', '1,7,a,0.5', good],
    ['empty lines before and after', '\n\n1,7,a,0.5\n\n\n', good],
    ['a number in another notation', '1,7,a,+5.0E-1\n', good],
    ['leading zeros', '1,0007,a,00.50\n', good],
  ])('with %s is read right, plain or in gzip', async (_, content, expected) => {
    for (const bytes of [
      Buffer.concat([Buffer.from(HEADER), Buffer.from(content)]),
      Buffer.concat([Buffer.from(`\ufeff${HEADER}`), Buffer.from(content)]),
    ]) {
      for (const file of [bytes, gzipSync(bytes)])
        expect(await read(scratchFile('train.csv', file))).toEqual({ rows: [expected], skipped: [] });
    }
  });

  it.each<[string, string | Buffer, string]>([
    ['a cell too few', '1,7,a\n', '3 row'],
    ['a cell too many', '1,7,a,0.5,\n', '3 row'],
    ['a row that is cut off', '1,7', '3 row'],
    ['an empty label', ',7,a,0.5\n', '3 click'],
    ['an empty id', '1,,a,0.5\n', '3 id'],
    ['an empty number', '1,7,a,\n', '3 n'],
    ['an id of hexadecimal digits', '1,0x1F,a,0.5\n', '3 id'],
    ['an id above 2^31', '1,2147483648,a,0.5\n', '3 id'],
    ['an id of a thousand digits', `1,${'9'.repeat(1000)},a,0.5\n`, '3 id'],
    ['an id with a NUL byte', '1,7\0,a,0.5\n', '3 id'],
    ['a number beyond all', '1,7,a,1e400\n', '3 n'],
    ['a number beyond 32 bits', '1,7,a,1e39\n', '3 n'],
    ['a number that is none', '1,7,a,NaN\n', '3 n'],
    ['a comma for a point', '1,7,a,"0,5"\n', '3 n'],
    ['bytes that are no text', Buffer.from([49, 44, 55, 44, 0xff, 0xc3, 44, 49, 10]), '3 word'],
    [
      'half a character',
      Buffer.concat([Buffer.from('1,7,'), Buffer.from('東').subarray(0, 2), Buffer.from(',1\n')]),
      '3 word',
    ],
    [
      'bytes that are no text, in quotes, beside U+FFFD',
      Buffer.from([49, 44, 55, 44, 34, 0xef, 0xbf, 0xbd, 0xff, 34, 44, 49, 10]),
      '3 word',
    ],
    ['text behind a quote', '1,7,"a"b,0.5\n', '3 row'],
    ['a quote within a cell', '1,7,a"b,0.5\n', '3 row'],
    ['a quote out of place, with line ends of Windows', '1,7,a"b,0.5\r\n', '3 row'],
    ['blanks around a number', '1,7,a, 0.5\n', '3 n'],
    ['blanks around an id', '1,7 ,a,0.5\n', '3 id'],
  ])('with %s loses that row alone, and says which', async (_, content, place) => {
    const bytes = Buffer.concat([
      Buffer.from(`${HEADER}1,7,a,0.5\n`),
      Buffer.from(content),
      Buffer.from(content.at(-1) === '\n' || content.at(-1) === 10 ? '1,7,a,0.5\n' : ''),
    ]);
    const { rows, skipped } = await read(scratchFile('train.csv', bytes));
    expect(skipped).toEqual([place]);
    expect(rows).toEqual(Array(content.at(-1) === '\n' || content.at(-1) === 10 ? 2 : 1).fill(good));
  });

  it('with rows of misplaced quotes among others gives the others, as csv-parse reads them, wherever the file is cut', async () => {
    const row = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.constantFrom('1,7,a,0.5', '1,7,"a,b",0.5', '1,7,"a\nb",0.5', '"1","7","""",0.5', '1,7,a,b,0.5'),
      },
      { weight: 1, arbitrary: fc.constantFrom('1,7,"a"b,0.5', '1,7,a"b,0.5', '1,"7" ,a,0.5', 'x"') },
    );
    const end = fc.constantFrom('\n', '\n', '\r\n', '\r');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(row, end), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 60 }),
        async (lines, chunkBytes) => {
          const csv = await openCsv(scratchFile('train.csv', HEADER + lines.flat().join('')), {}, chunkBytes);
          const found: unknown[] = [];
          for await (const piece of csv.pieces()) {
            if ('rows' in piece) found.push(...piece.rows, ...(piece.bad === undefined ? [] : [piece.bad.line]));
            else if ('bytes' in piece) {
              const texts = piece.bytes.toString('utf8', piece.begin, piece.end).split(/\r?\n/);
              found.push(...texts.filter((text) => text !== '').map((text) => text.split(',')));
              piece.next.line += texts.length - 1;
            }
          }
          let line = 2;
          const expected = lines.map(([text]): unknown => {
            const begin = line;
            line += text.split('\n').length;
            const {
              rows: [cells],
            } = parseCells(Buffer.from(text), 1);
            return cells ?? begin;
          });
          expect(found).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each<[string, string, RegExp]>([
    [
      'a quote that is never closed',
      '1,7,"a,0.5\n1,7,a,0.5\n',
      /train\.csv:3: a quoted value is never closed; close it, or set data\.quote: none/,
    ],
    [
      'a quote that is never closed, in a long file',
      `1,7,"a,0.5\n${'1,7,a,0.5\n'.repeat(200_000)}`,
      /train\.csv:3: a quoted value is not closed within 1048576 characters/,
    ],
    [
      'a quote that takes in the next row',
      '1,7,"a,0.5\n1,7,"a",0.5\n',
      /train\.csv:3: expected a comma or the end of the line after a closing quote/,
    ],
    [
      'a row of more than a megabyte',
      `1,7,${'a'.repeat(1_100_000)},0.5\n1,7,a,0.5\n`,
      /train\.csv:3: a row exceeds the maximum of 1048576 characters/,
    ],
  ])('with %s is an error with its line', async (_, content, message) => {
    const path = scratchFile('train.csv', `${HEADER}1,7,a,0.5\n${content}`);
    await expect(read(path)).rejects.toThrow(message);
    await expect(read(path)).rejects.toMatchObject({ exitCode: 3 });
  });

  it.each<[string, string, RegExp]>([
    [
      'texts for ids',
      '1,abc,a,0.5\n',
      /train\.csv:2: column "id": expected an integer id in digits, found "abc"; correct the row, or set encoding: tokens if ids are strings$/,
    ],
    [
      'yes and no for labels',
      'yes,7,a,0.5\n',
      /train\.csv:2: column "click": expected 0 or 1, found "yes"; correct the row, or define the positive value, such as label: \{ column: click, equals: 'yes' \}$/,
    ],
    [
      'a word for a number',
      '1,7,a,none\n',
      /train\.csv:2: column "n": expected a decimal number, found "none"; correct the row, or list null values, such as nullValues: \['NA'\]; for strings, use type: categorical$/,
    ],
    [
      'a negative id',
      '1,-7,a,0.5\n',
      /train\.csv:2: column "id": expected an integer id in digits, found "-7"; correct the row, or set data\.onBadRow: skip$/,
    ],
    [
      'a label that is a count',
      '2,7,a,0.5\n',
      /train\.csv:2: column "click": expected 0 or 1, found "2"; correct the row, or define positives, such as label: \{ column: click, above: 3 \}; set type: regression/,
    ],
  ])('with %s is told the cure that is likely', async (_, content, message) => {
    const path = scratchFile('train.csv', HEADER + content);
    const format = rowFormatOf({ tasks, groups });
    const source = await openSource(path, columnsOf(format));
    await expect(source.fit(format, { policy: refuseBadRows })).rejects.toThrow(message);
  });

  it('with texts for ids has that cure told also where too many rows are skipped', async () => {
    const format = rowFormatOf({ tasks, groups });
    const source = await openSource(scratchFile('train.csv', `${HEADER}1,abc,a,0.5\n`), columnsOf(format));
    await expect(source.fit(format, { policy: skipBadRows(undefined, 0) })).rejects.toThrow(
      /found "abc"; correct the row, or set encoding: tokens if ids are strings; invalid row 1 exceeds data\.maxRejects: 0$/,
    );
  });

  it('with a line of 100 MB is given up after the first of them', async () => {
    const path = join(scratchFolder(), 'train.csv');
    const file = openSync(path, 'w');
    writeSync(file, `${HEADER}1,7,a,0.5\n`);
    // A hole: all of it is NUL bytes, and none of it is on the disk.
    ftruncateSync(file, 100_000_000);
    closeSync(file);
    const start = process.memoryUsage().rss;
    await expect(read(path)).rejects.toThrow(/train\.csv:3: a row exceeds the maximum of 1048576 characters/);
    expect(process.memoryUsage().rss - start).toBeLessThan(60e6);
  });
});
