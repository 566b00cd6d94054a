import { mapsOf } from '../support/batches.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { column, type Batch } from '../../src/core/batch.js';
import { PLAIN_CSV, type Dialect } from '../../src/data/dialect.js';
import { openCsv } from '../../src/data/readers/csv.js';
import { parseCells } from '../../src/data/readers/csv-cells.js';
import { cutLines } from '../../src/data/readers/cut-lines.js';
import { textChunk } from '../../src/data/readers/text-chunk.js';
import type { BadRow } from '../../src/data/rows/rejects.js';
import { appendRows, createRowBlock } from '../../src/chunks/row-block.js';
import { blockColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { rowEncoder } from '../../src/data/rows/row-collector.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { withColumns } from '../support/read-rows.js';
import { scratchFile } from '../support/scratch.js';

// Compares the kernels that read plain lines with the strings of csv-parse on the same file.

const tasks = [
  { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
  { name: 'cvr', ...taskOptions.parse({ label: 'buy', given: 'click' }) },
  { name: 'spend', ...taskOptions.parse({ label: 'price', type: 'regression' }) },
];
const groups = [
  { type: 'categorical', fields: ['id'] },
  { type: 'categorical', fields: ['given'], encoding: { name: 'ids', sizes: { given: 100 } } },
  { type: 'categorical', fields: ['word'], encoding: { name: 'tokens' } },
  { type: 'numeric', fields: ['n'], scaling: 'none' },
  { type: 'numeric', fields: ['logged'], scaling: 'log1p' },
  { type: 'bucketized', fields: ['n2'], boundaries: [0, 1.5, 1000] },
  { type: 'bag', fields: ['seen'], encoding: { name: 'ids', sizes: { seen: 50 } } },
  { type: 'cross', fields: [['word', 'hour']], buckets: 100 },
].map((group) => featureTypes.schema.parse(group));
const COLUMNS = ['unused', 'click', 'id', 'given', 'word', 'n', 'buy', 'logged', 'n2', 'price', 'seen', 'hour'];
const format = encodedFormat(createRowFormat({ tasks, groups }), {
  id: { size: 500 },
  word: { vocabulary: ['a', 'b', 'ü'] },
});
const indices = new Map(COLUMNS.map((name, i) => [name, i]));

interface Found {
  readonly block: Batch;
  readonly rejects: readonly BadRow[];
}

const MAX_ROWS = 4000;

/** Reads all rows as strings. */
function readPlainly(path: string, bytes: Buffer, dialect: Dialect, header: readonly string[]): Found {
  const { rows, lines } = parseCells(bytes, 1, dialect);
  const columns = { path, header, dialect, indices };
  const encoder = rowEncoder(columns, format);
  encoder.add(textChunk(columns, { rows: rows.slice(1), lines: lines.slice(1), numLines: rows.length }), 0);
  const { batch, rejects } = encoder.take();
  return { block: batch, rejects };
}

/** Reads pieces of a file; rows are taken when there are at least `capacity`. */
async function readFast(path: string, dialect: Dialect, chunkBytes: number, capacity: number): Promise<Found> {
  const { csv, columns } = withColumns(await openCsv(path, dialect, COLUMNS, chunkBytes), COLUMNS);
  const rejects: BadRow[] = [];
  const block = createRowBlock(blockColumns(format), MAX_ROWS);
  const encoder = rowEncoder(columns, format);
  const take = (): void => {
    const taken = encoder.take();
    appendRows(taken.batch, blockColumns(format), 0, taken.batch.rows, block);
    rejects.push(...taken.rejects);
  };
  let line = 1 + csv.headerLines!;
  for await (const piece of csv.pieces()) {
    if ('failure' in piece) throw piece.failure(line);
    for (const chunk of 'bytes' in piece ? cutLines(columns, piece) : [piece]) {
      if (encoder.rows >= capacity) take();
      encoder.add(chunk, line);
      line += chunk.numLines;
    }
  }
  take();
  return { block, rejects };
}

function valuesOf(batch: Batch): unknown {
  const { rows, ids, numbers, labels, bags } = mapsOf(batch);
  const plain = [ids, numbers, labels].map((columns) =>
    [...columns].map(([name, data]) => [name, [...data.subarray(0, rows)]]),
  );
  const items = bags.get('seen')!;
  return [
    rows,
    plain,
    [...items.offsets.subarray(0, rows + 1)],
    [...items.ids.subarray(0, items.offsets[rows])],
    [...items.weights.subarray(0, items.offsets[rows])],
  ];
}

async function expectEqual(
  text: string | Buffer,
  chunkBytes: number,
  capacity: number,
  dialect = PLAIN_CSV,
  unread: readonly string[] = [],
): Promise<Found> {
  const header = [...COLUMNS, ...unread];
  const bytes = Buffer.concat([Buffer.from(`${header.join(dialect.delimiter)}\n`), Buffer.from(text)]);
  const path = scratchFile('data.csv', bytes);
  const expected = readPlainly(path, bytes, dialect, header);
  const found = await readFast(path, dialect, chunkBytes, capacity);
  expect(found.rejects).toEqual(expected.rejects);
  expect(valuesOf(found.block)).toEqual(valuesOf(expected.block));
  return found;
}

const GOOD = ['', '0', '7', '99', 'a', '0.5', '0', '1.25', '3', '12.5', '1:0.5|2', '7'];
const rowWith = (cells: Readonly<Record<string, string>>, delimiter = ','): string =>
  COLUMNS.map((name, i) => cells[name] ?? GOOD[i]!).join(delimiter);

describe('reader of plain lines', () => {
  it('reads the rows and errors of a reader of strings', { tags: ['long'] }, async () => {
    const id = fc.constantFrom(
      '0',
      '5',
      '99',
      '100',
      '499',
      '500',
      '007',
      '0000000001',
      '2147483647',
      '2147483648',
      '99999999999',
      '-1',
      '',
      ' 1',
      '1 ',
      '0x1F',
      '1.0',
      '1e2',
    );
    const number = fc.oneof(
      fc.double({ noNaN: true }).map(String),
      fc
        .tuple(fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }), fc.nat(17))
        .map(([digits, point]) => `${digits}`.replace(new RegExp(`(\\d{0,${point}})$`), '.$1')),
      fc.constantFrom(
        '0',
        '-0',
        '-0.0',
        '+1',
        '.5',
        '5.',
        '.',
        '-',
        '',
        '1e5',
        '1E-3',
        '1e400',
        '1e39',
        'NaN',
        'Infinity',
        '0x10',
        '1_000',
        '1 ',
        '123456789012345',
        '1234567890123456',
        '0.1',
        '0.000000000000001',
        '-1',
        '-0.9999',
      ),
    );
    const label = fc.constantFrom('0', '1', '0', '1', '1.0', '+1', '2', '', '01', '0.0', 'x');
    const word = fc.constantFrom(
      'a',
      'b',
      'c',
      '',
      'ü',
      '\0',
      '\ufffd',
      'a b',
      '#',
      "'#'",
      "'a'",
      '"a"',
      '"x,y"',
      '"q""q"',
      '"n\nn"',
    );
    const seen = fc.constantFrom('', '1', '1|2', '1:0.5|49:2', '50', '1:x', '|', '3:-1');
    const decimalComma = fc.constantFrom('1,5', '-0,25', '1.5', '1,2,3', '7', ',5', '1.000,5');
    const row = (delimiter: string): fc.Arbitrary<string> =>
      fc
        .record(
          {
            click: label,
            buy: label,
            id,
            given: id,
            word,
            n: number,
            logged: fc.oneof(number, decimalComma),
            n2: number,
            price: fc.oneof(number, decimalComma),
            seen,
            hour: word,
          },
          { requiredKeys: [] },
        )
        .chain((cells) => {
          const text = rowWith(cells, delimiter);
          return fc.constantFrom(
            text,
            text,
            text,
            `${text}${delimiter}`,
            `#${rowWith({}, delimiter)}`,
            '  #',
            rowWith({}, delimiter).slice(0, 20),
            '',
            rowWith({}, delimiter),
          );
        });
    const end = fc.constantFrom('\n', '\n', '\n', '\r\n', '\r', '\n\n');
    const file = fc.constantFrom(',', ',', ';', '\t', '|', ' ', '\x01', '::', '§').chain((delimiter) =>
      fc.record({
        delimiter: fc.constant(delimiter),
        quote: fc.constantFrom(undefined, undefined, 'none', "'"),
        comments: fc.constantFrom(undefined, '#', '##'),
        decimal: fc.constantFrom(undefined, ',' as const),
        rows: fc.array(fc.tuple(row(delimiter), end), { maxLength: 40 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        file,
        fc.integer({ min: 1, max: 2000 }),
        fc.integer({ min: 1, max: 20 }),
        async ({ rows, ...dialect }, chunkBytes, capacity) => {
          await expectEqual(rows.flat().join(''), chunkBytes, capacity, dialect);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('rounds decimals like Number', async () => {
    const decimal = fc
      .tuple(fc.bigInt({ min: 0n, max: 10n ** 15n - 1n }), fc.integer({ min: 1, max: 15 }))
      .map(([digits, places]) => `${digits}`.padStart(places + 1, '0').replace(new RegExp(`(.{${places}})$`), '.$1'));
    await fc.assert(
      fc.asyncProperty(fc.array(decimal, { minLength: 50, maxLength: 50 }), async (texts) => {
        const { block } = await expectEqual(texts.map((n) => `${rowWith({ n })}\n`).join(''), 1 << 16, 100);
        expect([...column(block, 'n', 'f32').data.subarray(0, 50)]).toEqual(
          texts.map((text) => Math.fround(Number(text))),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('reads ids with an unusual one at any vector lane', async () => {
    const unusual = [
      '',
      '1234567',
      '12345678',
      '123456789',
      '1234567890',
      '/',
      ':',
      '1:',
      '-1',
      '+1',
      '499',
      '500',
      '99999999',
      '00000007',
      '000000007',
    ];
    for (let place = 0; place < 5; place++) {
      const ids = unusual.flatMap((id) =>
        Array.from({ length: 5 }, (_, i) => (i === place ? id : String((7 * i) % 500))),
      );
      const { block, rejects } = await expectEqual(ids.map((id) => `${rowWith({ id })}\n`).join(''), 1 << 16, 100);
      expect(rejects.length).toBeGreaterThan(2);
      expect(block.rows + rejects.length).toBe(ids.length);
    }
  });

  it('reads numbers with an unusual one at any vector lane', async () => {
    const unusual = [
      '',
      '.',
      '..',
      '5.',
      '.5',
      '1.2.3',
      '.1.',
      '-1',
      '-.5',
      '+1',
      '/',
      '1:',
      ':.1',
      '1e5',
      '99999999',
      '123456789',
      '0.000001',
      '.1234567',
      '1234567.',
      '12345.678',
      '1 ',
    ];
    for (let place = 0; place < 5; place++) {
      const numbers = unusual.flatMap((number, u) =>
        Array.from({ length: 5 }, (_, i) =>
          i === place ? number : `${(7 * i + u) % 50}${['', '.25', '.0625'][(i + u) % 3]!}`,
        ),
      );
      const { block, rejects } = await expectEqual(
        numbers.map((n) => `${rowWith({ n, logged: n, n2: n })}\n`).join(''),
        1 << 16,
        200,
      );
      expect(rejects.length).toBeGreaterThan(5);
      expect(block.rows + rejects.length).toBe(numbers.length);
    }
  });

  it('rounds short decimals in vector lanes like Number', async () => {
    const decimal = fc
      .tuple(fc.stringMatching(/^[0-9]{1,7}$/), fc.nat(6))
      .map(([digits, point]) => (point < digits.length ? `${digits.slice(0, point)}.${digits.slice(point)}` : digits));
    await fc.assert(
      fc.asyncProperty(fc.array(decimal, { minLength: 48, maxLength: 51 }), async (texts) => {
        const { block } = await expectEqual(texts.map((n) => `${rowWith({ n })}\n`).join(''), 1 << 16, 100);
        expect([...column(block, 'n', 'f32').data.subarray(0, texts.length)]).toEqual(
          texts.map((text) => Math.fround(Number(text))),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('reads a long file with rows beyond the scan window, empty lines and excluded rows', async () => {
    const text = Array.from({ length: 3000 }, (_, r) => {
      const line = rowWith({
        unused: 'u'.repeat(r % 700 === 300 ? 140_000 : r % 90),
        id: `${r % 600}`,
        n: `${r / 8}`,
        word: r % 3 === 0 ? 'a' : 'none',
        logged: `${(r % 40) - 1}`,
        click: r % 5 === 0 ? '0' : '1',
        buy: r % 7 === 0 ? '1' : '0',
      });
      return r % 50 === 0 ? `${line}${r % 100 === 0 ? ',' : '\r'}\n\n\r\n` : `${line}\n`;
    }).join('');
    for (const chunkBytes of [1 << 19, 200_000, 90_000]) {
      const { block, rejects } = await expectEqual(text, chunkBytes, MAX_ROWS);
      expect(block.rows).toBeGreaterThan(2000);
      expect(rejects.length).toBeGreaterThan(100);
    }
  });

  it('reads a file of ten thousand columns', async () => {
    const unread = Array.from({ length: 10_000 }, (_, c) => `unread${c}`);
    const row = (r: number): string =>
      `${rowWith({ id: `${r}`, n: `${r}.5` })},${unread.map((_, c) => (r * c) % 7).join()}`;
    const text = Array.from({ length: 40 }, (_, r) => `${row(r)}${r === 20 ? ',1' : ''}\n`).join('');
    const { block, rejects } = await expectEqual(text, 1 << 19, 100, PLAIN_CSV, unread);
    expect(block.rows).toBe(39);
    expect(rejects).toMatchObject([
      { line: 22, expected: `${COLUMNS.length + 10_000} values as in the header, found ${COLUMNS.length + 10_001}` },
    ]);
  });

  it('rejects invalid UTF-8 in columns that are read only', async () => {
    const bad = Buffer.from([0xff, 0xfe]);
    const [before, after] = rowWith({ word: '@' }).split('@');
    const { rejects, block } = await expectEqual(
      Buffer.concat([Buffer.from(before!), bad, Buffer.from(`${after}\n`), bad, Buffer.from(`${rowWith({})}\n`)]),
      1000,
      10,
    );
    expect(rejects).toMatchObject([{ line: 2, column: 'word', expected: 'valid UTF-8' }]);
    expect(block.rows).toBe(1);
  });
});
