/** @module-tag nightly */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetMetadata } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { openRows } from '../../src/data/readers/open-rows.js';
import { UserError } from '../../src/core/errors.js';
import { randomStream } from '../../src/core/random.js';
import { scratchFile } from '../support/scratch.js';

// Reproducible random damage: of levels, which must neither repeat nor lose a value, and of footers.

const CASES = join(import.meta.dirname, 'parquet-cases');

/** Reads the values of a column; undefined if the file is rejected with the exit code of damaged data. */
async function cellsOf(bytes: Uint8Array, names: readonly string[]): Promise<string[] | undefined> {
  try {
    const { csv } = await openRows(scratchFile('x.parquet', bytes), names);
    const cells: string[] = [];
    for await (const piece of csv.pieces()) {
      if (!('columns' in piece)) throw new Error('expected columns');
      for (const name of names)
        for (let row = 0; row < piece.rows; row++) cells.push(piece.columns.get(name)!.text(row));
    }
    return cells;
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ exitCode: 3 });
    return undefined;
  }
}

/** Collects the level bytes of a file's only column, which has uncompressed version 2 pages. */
function levelBytes(bytes: Buffer): readonly number[] {
  const chunk = parquetMetadata(new Uint8Array(bytes)).row_groups[0]!.columns[0]!.meta_data!;
  const end = Number(chunk.data_page_offset) + Number(chunk.total_compressed_size);
  const found: number[] = [];
  for (let at = Number(chunk.data_page_offset); at < end;) {
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: at };
    const { compressed_page_size: size, data_page_header_v2: header } = parquetHeader(reader);
    const length = header!.definition_levels_byte_length + header!.repetition_levels_byte_length;
    for (let i = 0; i < length; i++) found.push(reader.offset + i);
    at = reader.offset + size;
  }
  return found;
}

const ROWS = 3000;
const isNull = (r: number): boolean => (r % 1000 < 500 ? r % 7 === 0 : Math.floor(r / 40) % 2 === 0);
const column = (value: (r: number) => unknown): unknown[] =>
  Array.from({ length: ROWS }, (_, r) => (isNull(r) ? null : value(r)));

describe('Parquet pages with damaged levels', () => {
  it.each<[string, unknown[]]>([
    ['INT32', column((r) => r)],
    ['INT64', column((r) => 2n ** 60n + BigInt(r))],
    ['DOUBLE', column((r) => r / 8)],
    ['STRING', column((r) => `text ${r}`)],
  ])('yield each value once in order, or an error with exit code 3: %s', async (type, data) => {
    const options = {
      columnData: [{ name: 'x', data, type, encoding: 'PLAIN' }],
      codec: 'UNCOMPRESSED',
      statistics: false,
      pageSize: 4000,
    };
    const whole = Buffer.from(parquetWriteBuffer(options as unknown as Parameters<typeof parquetWriteBuffer>[0]));
    const values = (await cellsOf(whole, ['x']))!.filter((text) => text !== '');
    const levels = levelBytes(whole);
    const random = randomStream(1, type);
    let numRefused = 0;
    for (let i = 0; i < 200; i++) {
      const damaged = Buffer.from(whole);
      for (let b = 0; b < 1 + (i % 3); b++) damaged[levels[random.uint32() % levels.length]!] = random.uint32() & 255;
      const cells = await cellsOf(damaged, ['x']);
      if (cells === undefined) numRefused++;
      else
        expect(
          cells.filter((text) => text !== ''),
          `damage ${i}`,
        ).toEqual(values);
    }
    expect(numRefused).toBeGreaterThan(30);
  });
});

describe('Parquet with a damaged footer', () => {
  it.each([
    ['types-plain-v1', ['int32', 'double_some', 'string', 'timestamp_us_tz']],
    ['lists-v2', ['click', 'ids', 'pairs', 'map']],
    ['duckdb-v1', ['d', 'ttz', 'en']],
    ['codecs-zstd-v2', ['id', 'word_some', 'seen']],
  ])('is read, or rejected with exit code 3: %s', async (name, columns) => {
    const whole = readFileSync(join(CASES, `${name}.parquet`));
    const begin = whole.length - 8 - whole.readUInt32LE(whole.length - 8);
    const random = randomStream(1, name);
    let numRefused = 0;
    for (let i = 0; i < 200; i++) {
      const damaged = Buffer.from(whole);
      for (let b = 0; b < 1 + (i % 4); b++)
        damaged[begin + (random.uint32() % (whole.length - begin))] = random.uint32() & 255;
      if ((await cellsOf(damaged, columns)) === undefined) numRefused++;
    }
    expect(numRefused).toBeGreaterThan(30);
  });
});
