import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetMetadata, type ColumnMetaData } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { openRows } from '../../src/data/readers/open-rows.js';
import { decompress } from '../../src/data/readers/parquet/codecs.js';
import { needsPython, python } from '../support/python.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

// Damaged Parquet, and files that DuckDB reads differently than the format specifies.

const CASES = join(import.meta.dirname, 'parquet-cases');

interface Column {
  readonly name: string;
  readonly data: readonly unknown[];
  readonly type?: string;
  readonly encoding?: string;
}

function parquetOf(columns: readonly Column[], schema?: readonly object[]): Buffer {
  const columnData = columns.map((column) => ({ encoding: 'PLAIN', ...column }));
  const options = { columnData, codec: 'UNCOMPRESSED', statistics: false, ...(schema !== undefined && { schema }) };
  return Buffer.from(parquetWriteBuffer(options as unknown as Parameters<typeof parquetWriteBuffer>[0]));
}

/** Reads all values of columns. */
async function cellsOf(path: string, names: readonly string[]): Promise<Record<string, unknown[]>> {
  const { csv } = await openRows(path, names);
  const cells = Object.fromEntries(names.map((name): [string, unknown[]] => [name, []]));
  for await (const piece of csv.pieces()) {
    if (!('columns' in piece)) throw new Error('expected columns');
    for (const name of names) {
      const { text, numbers } = piece.columns.get(name)!;
      for (let row = 0; row < piece.rows; row++) cells[name]!.push(text(row), numbers?.values[row]);
    }
  }
  return cells;
}

/** Returns the offsets of a column's first page: its header, and the begin and end of its body. */
function firstPage(
  bytes: Buffer,
  column = 0,
): { readonly header: number; readonly begin: number; readonly end: number } {
  const chunk: ColumnMetaData = parquetMetadata(new Uint8Array(bytes)).row_groups[0]!.columns[column]!.meta_data!;
  const header = Number(chunk.data_page_offset);
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: header };
  const { compressed_page_size: size } = parquetHeader(reader);
  return { header, begin: reader.offset, end: reader.offset + size };
}

/** Replaces bytes of the file at an offset, where it contains `before`. */
function changed(bytes: Buffer, at: number, before: readonly number[], after: readonly number[]): Buffer {
  expect([...bytes.subarray(at, at + before.length)]).toEqual(before);
  const copy = Buffer.from(bytes);
  copy.set(after, at);
  return copy;
}

// Level runs: 300 values, then 300 nulls. A run of 300 is the varint 600 and its value.
const RUN = [0xd8, 0x04];
const halves = Array.from({ length: 600 }, (_, r) => (r < 300 ? r : null));
const LEVELS = [...RUN, 1, ...RUN, 0];

describe('levels of a damaged Parquet page', () => {
  it.each([
    ['numbers', { name: 'n', data: halves, type: 'INT32' }],
    ['texts', { name: 'n', data: halves.map((value) => (value === null ? null : `t${value}`)), type: 'STRING' }],
  ])(
    'that declare more values than the page contains are rejected with the column and the page: %s',
    async (_, column) => {
      const whole = parquetOf([column]);
      const at = whole.indexOf(Buffer.from(LEVELS), firstPage(whole).begin);
      const read = cellsOf(scratchFile('x.parquet', changed(whole, at + 5, [0], [1])), ['n']);
      await expect(read).rejects.toThrow(
        /x\.parquet: column "n": cannot be read as Parquet in row group 1, page 1: its levels declare more than its 300 values; copy the file again/,
      );
      await expect(read).rejects.toMatchObject({ exitCode: 3 });
    },
  );

  it('that declare fewer values than the page contains are rejected', async () => {
    const whole = parquetOf([{ name: 'n', data: halves, type: 'INT32' }]);
    const at = whole.indexOf(Buffer.from(LEVELS), firstPage(whole).begin);
    await expect(cellsOf(scratchFile('x.parquet', changed(whole, at + 2, [1], [0])), ['n'])).rejects.toThrow(
      'page 1: it has 300 values, but its levels declare 0',
    );
  });

  it.each([2, 3, 255])('of %i above the maximum of 1 are rejected', async (level) => {
    const whole = parquetOf([{ name: 'n', data: halves, type: 'INT32' }]);
    const at = whole.indexOf(Buffer.from(LEVELS), firstPage(whole).begin);
    await expect(cellsOf(scratchFile('x.parquet', changed(whole, at + 5, [0], [level])), ['n'])).rejects.toThrow(
      `page 1: a level is ${level}, but the maximum of this column is 1`,
    );
  });

  it('that are bit-packed and above the maximum are rejected', async () => {
    // The levels of an optional list of optional numbers range from 0 to 3, those of a list of required numbers to 2.
    const schema = [
      { name: 'root', num_children: 1 },
      { name: 'l', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'INT32', repetition_type: 'REQUIRED' },
    ];
    const whole = parquetOf(
      [{ name: 'l', data: Array.from({ length: 8 }, (_, r) => (r % 2 === 0 ? [r] : r % 4 === 1 ? [] : null)) }],
      schema,
    );
    // 2 1 2 0 2 1 2 0, two bits each.
    const at = whole.indexOf(Buffer.of(3, 0b00100110, 0b00100110), firstPage(whole).begin);
    expect(at).toBeGreaterThan(0);
    await cellsOf(scratchFile('x.parquet', whole), ['l']);
    await expect(
      cellsOf(scratchFile('x.parquet', changed(whole, at + 2, [0b00100110], [0b11100110])), ['l']),
    ).rejects.toThrow('page 1: a level is 3, but the maximum of this column is 2');
  });
});

describe('damaged Parquet page', () => {
  it('is rejected for an invalid bit width of indices', async () => {
    const whole = parquetOf([
      { name: 'n', data: Array.from({ length: 600 }, (_, r) => r % 2), type: 'INT32', encoding: 'RLE_DICTIONARY' },
    ]);
    // After the levels: a run of 600 ones.
    const at = whole.indexOf(Buffer.of(0xb0, 0x09, 1), firstPage(whole).begin) + 3;
    await expect(cellsOf(scratchFile('x.parquet', changed(whole, at, [1], [33])), ['n'])).rejects.toThrow(
      'page 1: its indices have 33 bits, more than the maximum of 32',
    );
  });

  it('is rejected for invalid prefixes and suffixes of DELTA_BYTE_ARRAY', async () => {
    const data = Array.from({ length: 40 }, (_, r) => `a word ${r}`);
    const whole = parquetOf([{ name: 't', data, type: 'STRING', encoding: 'DELTA_BYTE_ARRAY' }]);
    expect((await cellsOf(scratchFile('x.parquet', whole), ['t']))['t']!.filter((_, i) => i % 2 === 0)).toEqual(data);
    const { begin } = firstPage(whole);
    const counts = [...whole.keys()].filter((at) => at > begin && whole[at] === 40 && whole[at - 3] === 128);
    expect(counts.length).toBe(2);
    await expect(cellsOf(scratchFile('x.parquet', changed(whole, counts[1]!, [40], [39])), ['t'])).rejects.toThrow(
      /page 1: it has 40 prefixes and 39 suffixes/,
    );
  });

  it('is rejected for an invalid LZ4 block size', () => {
    // A literal, and a copy of it.
    const block = Buffer.of(0x10, 0x61, 1, 0);
    const lz4Block = (bytes: Buffer, size: number): Buffer =>
      decompress('LZ4_RAW', bytes, size, (n) => Buffer.alloc(n));
    expect(lz4Block(block, 5)).toEqual(Buffer.from('aaaaa'));
    for (const size of [4, 6, 100])
      expect(() => lz4Block(block, size)).toThrow(/damaged|a page has 5 bytes, but its header declares/);
    expect(() => lz4Block(Buffer.of(0x10, 0x61, 2, 0), 5)).toThrow('damaged');
    expect(() => lz4Block(Buffer.of(0xf0, 255), 5)).toThrow('damaged');
  });

  it.each(['zstd', 'snappy', 'lz4'])('is rejected for an invalid uncompressed size with %s', async (codec) => {
    const whole = readFileSync(join(CASES, `codecs-${codec}-v1.parquet`));
    const { header } = firstPage(whole, 0);
    // The page type, then its uncompressed size as a zigzag varint.
    const size = whole[header + 3]!;
    const read = cellsOf(scratchFile('x.parquet', changed(whole, header + 2, [0x15, size], [0x15, size ^ 2])), ['id']);
    await expect(read).rejects.toThrow(
      /column "id": cannot be read as Parquet in row group 1, page 1: a page has \d+ bytes, but its header declares \d+/,
    );
  });
});

describe('Parquet footer', () => {
  const whole = parquetOf([{ name: 'name', data: [1, 2], type: 'INT32' }]);
  // The length of the name and the name, after the field id and the type string.
  const at = whole.indexOf('\x04name') - 1;

  it.each([
    [
      'without the name of a column',
      at,
      (field: number) => (field & 15) | 0xe0,
      /x\.parquet: cannot be read as Parquet \(schema element 2 in its footer has no name\); copy the file again/,
    ],
    [
      'with a number for the name of a column',
      at,
      (field: number) => (field & 0xf0) | 5,
      /x\.parquet: cannot be read as Parquet \((its footer is damaged|a header .*)\); copy the file again/,
    ],
    [
      'of a truncated file',
      whole.length - 1,
      () => 0,
      /x\.parquet: cannot be read as Parquet \(it does not end with PAR1, so the file is truncated\)/,
    ],
  ])('%s is rejected with an error', async (_, place, change, message) => {
    const path = scratchFile('x.parquet', changed(whole, place, [whole[place]!], [change(whole[place]!)]));
    await expect(cellsOf(path, ['name'])).rejects.toThrow(message);
    await expect(cellsOf(path, ['name'])).rejects.toMatchObject({ exitCode: 3 });
  });

  it('with an encrypted column allows the other columns and rejects that one', async () => {
    const path = join(CASES, 'encrypted.parquet');
    expect((await cellsOf(path, ['open']))['open']!.filter((_, i) => i % 2 === 0)).toEqual(['1', '2', '3']);
    await expect(cellsOf(path, ['open', 'secret'])).rejects.toThrow(
      /encrypted\.parquet: column "secret": is encrypted; decrypt the file with the tool that has its keys, and write it unencrypted/,
    );
  });
});

/** Values of a type with their strings; undefined if rejected. */
interface Times {
  readonly name: string;
  readonly element: object;
  readonly values: readonly (number | bigint)[];
  readonly texts: readonly (string | undefined)[];
}

const logical = (type: string, unit: string, isAdjustedToUTC: boolean): object => ({
  logical_type: { type, unit, isAdjustedToUTC },
});
const DAY_MICROS = 86_400_000_000n;
const TIMES: readonly Times[] = [
  {
    name: 'timestamp_micros',
    element: { type: 'INT64', converted_type: 'TIMESTAMP_MICROS' },
    values: [0n, -1n, 1_234_567_890_123_456n],
    texts: ['1970-01-01 00:00:00', '1969-12-31 23:59:59.999999', '2009-02-13 23:31:30.123456'],
  },
  {
    name: 'timestamp_millis',
    element: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
    values: [0n, -1n, 1_234_567_890_123n],
    texts: ['1970-01-01 00:00:00', '1969-12-31 23:59:59.999', '2009-02-13 23:31:30.123'],
  },
  {
    name: 'timestamp_utc',
    element: { type: 'INT64', ...logical('TIMESTAMP', 'MICROS', true) },
    values: [0n],
    texts: ['1970-01-01 00:00:00+00'],
  },
  {
    name: 'timetz_micros',
    element: { type: 'INT64', ...logical('TIME', 'MICROS', true) },
    values: [0n, -1n, -17_559_000_000n, DAY_MICROS, DAY_MICROS + 1n, -DAY_MICROS, 2n ** 62n, -(2n ** 63n)],
    texts: [
      '00:00:00+00',
      '23:59:59.999999+00',
      '19:07:21+00',
      '24:00:00+00',
      '00:00:00.000001+00',
      '00:00:00+00',
      '14:00:27.387904+00',
      '19:59:05.224192+00',
    ],
  },
  {
    name: 'timetz_nanos',
    element: { type: 'INT64', ...logical('TIME', 'NANOS', true) },
    values: [1_999n, -1n, -1_000_001n, 2n ** 63n - 1n],
    texts: ['00:00:00.000001+00', '23:59:59.999999+00', '23:59:59.998999+00', '23:47:16.854775+00'],
  },
  {
    name: 'timetz_millis',
    element: { type: 'INT32', ...logical('TIME', 'MILLIS', true) },
    values: [-1001, 90_000_000, -(2 ** 31)],
    texts: ['23:59:58.999+00', '01:00:00+00', '03:28:36.352+00'],
  },
  {
    name: 'time_micros',
    element: { type: 'INT64', converted_type: 'TIME_MICROS' },
    values: [-1n, DAY_MICROS, DAY_MICROS + 1n],
    texts: [undefined, '24:00:00', undefined],
  },
  {
    name: 'time_nanos',
    element: { type: 'INT64', ...logical('TIME', 'NANOS', false) },
    values: [-1n, 1n, 1000n * DAY_MICROS + 1n],
    texts: [undefined, '00:00:00.000000001', undefined],
  },
  {
    name: 'time_millis',
    element: { type: 'INT32', converted_type: 'TIME_MILLIS' },
    values: [-1, 86_400_000, 86_400_001],
    texts: [undefined, '24:00:00', undefined],
  },
];

/** Writes a file with one value. */
function timeFile({ name, element }: Times, value: number | bigint, encoding = 'PLAIN'): string {
  return scratchFile(
    'x.parquet',
    parquetOf(
      [{ name, data: [value, value], encoding }],
      [
        { name: 'root', num_children: 1 },
        { name, repetition_type: 'REQUIRED', ...element },
      ],
    ),
  );
}

describe('Parquet time', () => {
  it.each(TIMES)("has DuckDB's string or is rejected: $name", async (times) => {
    for (const [i, value] of times.values.entries())
      for (const encoding of ['PLAIN', 'RLE_DICTIONARY']) {
        const text = times.texts[i];
        const read = cellsOf(timeFile(times, value, encoding), [times.name]);
        if (text === undefined)
          await expect(read, String(value)).rejects.toThrow(
            /row group 1, page 1: a time of -?\d+ exceeds the \d+ ticks of a day/,
          );
        else expect((await read)[times.name], String(value)).toEqual([text, undefined, text, undefined]);
      }
  });

  it("equals DuckDB's string and is rejected if DuckDB rejects it", (context) => {
    needsPython(context, 'duckdb');
    const files = TIMES.flatMap((times) =>
      times.values.map((value, i) => ({ path: timeFile(times, value), text: times.texts[i] ?? null })),
    );
    const script = `
import duckdb, json, os, sys
db = duckdb.connect()
db.execute("set timezone = 'UTC'")
def text(path):
    try:
        db.execute(f"copy (select * from '{path}') to 'cells.csv' (header false)")
    except duckdb.Error:
        return None
    return open('cells.csv').read().split('\\n')[0]
print(json.dumps([text(path) for path in json.loads(sys.argv[1])]))`;
    const found = JSON.parse(
      python(scratchFolder(), script, [JSON.stringify(files.map(({ path }) => path))]),
    ) as unknown;
    expect(found).toEqual(files.map(({ text }) => text));
  });
});
