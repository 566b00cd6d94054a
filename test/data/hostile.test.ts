/** @module-tag long */
import { column } from '../../src/core/batch.js';
import { openSync, writeSync, closeSync, ftruncateSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCsv } from '../../src/data/readers/csv.js';
import { parseCells } from '../../src/data/readers/csv-cells.js';
import { refuseBadRows, skipBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { storedFitted } from '../../src/features/fitted.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { readLines } from '../support/read-rows.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

// Files from mail, spreadsheets and broken disks are either read correctly or rejected with their location.

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const groups = [
  featureTypes.schema.parse({ type: 'categorical', fields: ['id'] }),
  featureTypes.schema.parse({ type: 'categorical', fields: ['word'], encoding: { name: 'tokens' } }),
  featureTypes.schema.parse({ type: 'numeric', fields: ['n'] }),
];
const HEADER = 'click,id,word,n\n';

/** Reads words, ids and numbers; returns the lines of skipped rows with their columns. */
async function read(path: string): Promise<{ rows: unknown[]; skipped: string[] }> {
  const skipped: string[] = [];
  const policy: RejectPolicy = {
    count: 0,
    reject: (row) => {
      const told = `${row.line} ${row.column ?? 'row'}`;
      if (!skipped.includes(told)) skipped.push(told);
    },
  };
  const format = createRowFormat({ tasks, groups });
  const reading = { policy, cache: { folder: scratchFolder() } };
  const source = await openSource(path, dataColumns(format));
  const fitted = await source.fit(format, reading);
  const words = ['', ...(storedFitted(fitted).json['word'] as { vocabulary: string[] }).vocabulary];
  const rows: unknown[] = [];
  for await (const { batch } of (await source.dataset(encodedFormat(format, fitted), reading)).batches(100)) {
    for (let r = 0; r < batch.rows; r++)
      rows.push([
        column(batch, 'click', 'f32').data[r],
        column(batch, 'id', 'u32').data[r],
        words[column(batch, 'word', 'u32').data[r]!],
        column(batch, 'n', 'f32').data[r],
      ]);
  }
  return { rows, skipped };
}

const good = [1, 7, 'a', 0.5];

describe('hostile CSV', () => {
  // The cases of csv-spectrum (https://github.com/max-mapper/csv-spectrum), on other columns.
  it.each<[string, string | Buffer, unknown[]]>([
    ['commas in quotes', '1,7,"a,b",0.5\n', [1, 7, 'a,b', 0.5]],
    ['quotes in quotes', '1,7,"a ""b""",0.5\n', [1, 7, 'a "b"', 0.5]],
    ['an empty quoted value', '1,7,"",0.5\n', [1, 7, '', 0.5]],
    ['line ends in quotes', '1,7,"a\nb",0.5\n', [1, 7, 'a\nb', 0.5]],
    ['CRLF in quotes', '1,7,"a\r\nb",0.5\r\n', [1, 7, 'a\r\nb', 0.5]],
    ['JSON', '1,7,"{""type"": ""Point"", ""at"": [1,2]}",0.5\n', [1, 7, '{"type": "Point", "at": [1,2]}', 0.5]],
    ['all values in quotes', '"1","7","a","0.5"\n', good],
    ['U+FFFD', '1,7,a\ufffd,0.5\n', [1, 7, 'a\ufffd', 0.5]],
    ['U+FFFD in quotes', '1,7,"\ufffd,",0.5\n', [1, 7, '\ufffd,', 0.5]],
    ['text beyond ASCII', '1,7,ʤ 东京 😀,0.5\n', [1, 7, 'ʤ 东京 😀', 0.5]],
    ['leading and trailing spaces', '1,7, a ,0.5\n', [1, 7, ' a ', 0.5]],
    ['NUL bytes in a string', '1,7,a\0b,0.5\n', [1, 7, 'a\0b', 0.5]],
    ['an empty string', '1,7,,0.5\n', [1, 7, '', 0.5]],
    ['CRLF', '1,7,a,0.5\r\n', good],
    ['CR', '1,7,a,0.5\r', good],
    ['no final line end', '1,7,a,0.5', good],
    ['empty lines before and after', '\n\n1,7,a,0.5\n\n\n', good],
    ['a number in another notation', '1,7,a,+5.0E-1\n', good],
    ['leading zeros', '1,0007,a,00.50\n', good],
  ])('with %s is read correctly, plain or in gzip', async (_, content, expected) => {
    for (const bytes of [
      Buffer.concat([Buffer.from(HEADER), Buffer.from(content)]),
      Buffer.concat([Buffer.from(`\ufeff${HEADER}`), Buffer.from(content)]),
    ]) {
      for (const file of [bytes, gzipSync(bytes)])
        expect(await read(scratchFile('train.csv', file))).toEqual({ rows: [expected], skipped: [] });
    }
  });

  it.each<[string, string | Buffer, string]>([
    ['too few values', '1,7,a\n', '3 row'],
    ['too many values', '1,7,a,0.5,\n', '3 row'],
    ['a truncated row', '1,7', '3 row'],
    ['an empty label', ',7,a,0.5\n', '3 click'],
    ['an empty id', '1,,a,0.5\n', '3 id'],
    ['an empty number', '1,7,a,\n', '3 n'],
    ['an id in hexadecimal', '1,0x1F,a,0.5\n', '3 id'],
    ['an id above 2^31', '1,2147483648,a,0.5\n', '3 id'],
    ['an id of a thousand digits', `1,${'9'.repeat(1000)},a,0.5\n`, '3 id'],
    ['an id with a NUL byte', '1,7\0,a,0.5\n', '3 id'],
    ['a number beyond 64 bits', '1,7,a,1e400\n', '3 n'],
    ['a number beyond 32 bits', '1,7,a,1e39\n', '3 n'],
    ['NaN', '1,7,a,NaN\n', '3 n'],
    ['a decimal comma', '1,7,a,"0,5"\n', '3 n'],
    ['invalid UTF-8', Buffer.from([49, 44, 55, 44, 0xff, 0xc3, 44, 49, 10]), '3 word'],
    [
      'a truncated character',
      Buffer.concat([Buffer.from('1,7,'), Buffer.from('東').subarray(0, 2), Buffer.from(',1\n')]),
      '3 word',
    ],
    [
      'invalid UTF-8 in quotes, after U+FFFD',
      Buffer.from([49, 44, 55, 44, 34, 0xef, 0xbf, 0xbd, 0xff, 34, 44, 49, 10]),
      '3 word',
    ],
    ['text after a quote', '1,7,"a"b,0.5\n', '3 row'],
    ['a quote within a value', '1,7,a"b,0.5\n', '3 row'],
    ['a misplaced quote, with CRLF', '1,7,a"b,0.5\r\n', '3 row'],
    ['spaces around a number', '1,7,a, 0.5\n', '3 n'],
    ['spaces around an id', '1,7 ,a,0.5\n', '3 id'],
  ])('with %s loses and reports only that row', async (_, content, place) => {
    const bytes = Buffer.concat([
      Buffer.from(`${HEADER}1,7,a,0.5\n`),
      Buffer.from(content),
      Buffer.from(content.at(-1) === '\n' || content.at(-1) === 10 ? '1,7,a,0.5\n' : ''),
    ]);
    const { rows, skipped } = await read(scratchFile('train.csv', bytes));
    expect(skipped).toEqual([place]);
    expect(rows).toEqual(Array(content.at(-1) === '\n' || content.at(-1) === 10 ? 2 : 1).fill(good));
  });

  it('with misplaced quotes has the other rows of csv-parse, for any chunk size', async () => {
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
          const csv = await openCsv(scratchFile('train.csv', HEADER + lines.flat().join('')), {}, [], chunkBytes);
          const found: unknown[] = [];
          for await (const piece of readLines(csv))
            found.push(...piece.lines.map((each) => (each.expected === undefined ? each.cells : each.line)));
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
      'a quote that is not closed',
      '1,7,"a,0.5\n1,7,a,0.5\n',
      /train\.csv:3: a quoted value is never closed; close it, or set data\.quote: none/,
    ],
    [
      'a quote that is closed in the next row',
      '1,7,"a,0.5\n1,7,"a",0.5\n',
      /train\.csv:3: expected a comma or the end of the line after a closing quote/,
    ],
  ])('with %s is rejected with its line', async (_, content, message) => {
    const path = scratchFile('train.csv', `${HEADER}1,7,a,0.5\n${content}`);
    await expect(read(path)).rejects.toThrow(message);
    await expect(read(path)).rejects.toMatchObject({ exitCode: 3 });
  });

  it.each<[string, string, RegExp]>([
    [
      'strings for ids',
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
      'a count for a label',
      '2,7,a,0.5\n',
      /train\.csv:2: column "click": expected 0 or 1, found "2"; correct the row, or define positives, such as label: \{ column: click, above: 3 \}; set type: regression/,
    ],
  ])('with %s is rejected with the likely fix', async (_, content, message) => {
    const path = scratchFile('train.csv', HEADER + content);
    const format = createRowFormat({ tasks, groups });
    const source = await openSource(path, dataColumns(format));
    await expect(source.fit(format, { policy: refuseBadRows })).rejects.toThrow(message);
  });

  it('with strings for ids is rejected with the fix if it has too many invalid rows', async () => {
    const format = createRowFormat({ tasks, groups });
    const source = await openSource(scratchFile('train.csv', `${HEADER}1,abc,a,0.5\n`), dataColumns(format));
    await expect(source.fit(format, { policy: skipBadRows(undefined, 0) })).rejects.toThrow(
      /found "abc"; correct the row, or set encoding: tokens if ids are strings; invalid row 1 exceeds data\.maxRejects: 0$/,
    );
  });

  it.each<[string, string, number]>([
    ['a quote that is not closed within a megabyte', `1,7,"a,0.5\n${'1,7,a,0.5\n'.repeat(200_000)}`, 200_000],
    ['a row of more than a megabyte', `1,7,${'a'.repeat(1_100_000)},0.5\n1,7,a,0.5\n`, 1],
    ['a row of many megabytes', `1,7,${'a'.repeat(5_000_000)},0.5\r\n1,7,a,0.5\r\n`, 1],
    ['carriage returns after a long row', `1,7,${'a'.repeat(5_000_000)},0.5\r1,7,a,0.5\r`, 1],
    ['a last row of many megabytes', `1,7,${'a'.repeat(5_000_000)},0.5`, 0],
  ])('with %s loses and reports only the line of that row', async (_, content, others) => {
    const { rows, skipped } = await read(scratchFile('train.csv', `${HEADER}1,7,a,0.5\n${content}`));
    expect([rows.length, skipped]).toEqual([1 + others, ['3 row']]);
    expect(new Set(rows.map((row) => JSON.stringify(row)))).toEqual(new Set([JSON.stringify(good)]));
  });

  it('with a line of 100 MB is rejected without storing it', async () => {
    const path = join(scratchFolder(), 'train.csv');
    const file = openSync(path, 'w');
    writeSync(file, `${HEADER}1,7,a,0.5\n`);
    // A sparse file: NUL bytes that take no disk space.
    ftruncateSync(file, 100_000_000);
    closeSync(file);
    const start = process.memoryUsage().rss;
    expect(await read(path)).toEqual({ rows: [good], skipped: ['3 row'] });
    expect(process.memoryUsage().rss - start).toBeLessThan(60e6);
  });
});

describe('hostile JSON Lines', () => {
  it('with hundreds of thousands of short lines that are no rows has the others', { timeout: 120_000 }, async () => {
    const invalid = 300_000;
    const text = `{"click":1,"id":2,"word":"w","n":3}\n${'x\n'.repeat(invalid)}{"click":0,"id":5,"word":"","n":6}\n`;
    const format = createRowFormat({ tasks, groups });
    const policy = skipBadRows(undefined, invalid);
    const reading = { policy, cache: { folder: scratchFolder() } };
    const source = await openSource(scratchFile('short.jsonl', text), dataColumns(format));
    const dataset = await source.dataset(encodedFormat(format, await source.fit(format, reading)), reading);
    expect([dataset.rows, policy.count]).toEqual([2, invalid]);
  });
});
