import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parquetMetadata, parquetSchema } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { columnPlan } from '../../src/data/readers/parquet/column-plan.js';
import { GroupColumn } from '../../src/data/readers/parquet/group-column.js';
import { PageMemory } from '../../src/data/readers/parquet/page-memory.js';
import { scratchFile } from '../support/scratch.js';

const ROWS = 20_000;

/** Opens a single-page column with the memory of one of a thousand columns. */
function readInWindows(
  columnData: { name: string; data: unknown[]; type?: string; encoding?: string; dictionarySize?: number }[],
  codec: string,
  windowBytes?: number,
): string[][] {
  const bytes = new Uint8Array(
    parquetWriteBuffer({
      columnData,
      codec,
      rowGroupSize: ROWS,
      pageSize: 1e9,
      statistics: false,
    } as unknown as Parameters<typeof parquetWriteBuffer>[0]),
  );
  const metadata = parquetMetadata(bytes);
  const file = openSync(scratchFile('x.parquet', bytes), 'r');
  try {
    const memory = new PageMemory(file, 1000, windowBytes);
    const columns = parquetSchema(metadata).children.map((child, i) => {
      const plan = columnPlan(child);
      if ('fix' in plan || plan.isList) throw new Error('expected cells');
      const column = new GroupColumn(plan, memory, 1000);
      column.open(() => metadata.row_groups[0]!.columns[i]!.meta_data!);
      return column;
    });
    const cells: string[][] = columns.map(() => []);
    for (let begin = 0; begin < ROWS; begin += 1000) {
      // Interleaved reads, so that each column evicts the buffers of the others.
      for (const [c, column] of columns.entries()) {
        column.append(1000);
        const { text } = column.take();
        for (let r = 0; r < 1000; r++) cells[c]!.push(text(r));
      }
    }
    return cells;
  } finally {
    closeSync(file);
  }
}

describe('Parquet page larger than the buffer of its column', () => {
  it.each(['UNCOMPRESSED', 'SNAPPY'])('yields all values in parts, also after nulls (%s)', (codec) => {
    const texts = Array.from({ length: ROWS }, (_, r) =>
      r < 5000 || r % 7 === 0 ? null : `${r} `.repeat(1 + (r % 40)),
    );
    const numbers = Array.from({ length: ROWS }, (_, r) => (r % 3 === 0 ? null : r / 4));
    // Numbers that are less precise than their strings, between others and after nulls.
    const ids = Array.from({ length: ROWS }, (_, r) =>
      r % 5 === 0 ? null : BigInt(r) * (r % 3 === 0 ? 100_000_000_700_003n : 1n),
    );
    const halves = Array.from({ length: ROWS }, (_, r) => (r % 11 === 0 ? NaN : r / 2));
    const found = readInWindows(
      [
        { name: 'text', data: texts, type: 'STRING' },
        { name: 'number', data: numbers, type: 'DOUBLE' },
        { name: 'id', data: ids, type: 'INT64' },
        { name: 'half', data: halves, type: 'DOUBLE' },
      ].map((column) => ({ ...column, encoding: 'PLAIN' })),
      codec,
    );
    expect(found[2]).toEqual(ids.map((id) => (id === null ? '' : String(id))));
    expect(found[3]).toEqual(
      halves.map((half) => (Number.isNaN(half) ? 'nan' : Number.isInteger(half) ? `${half}.0` : String(half))),
    );
    expect(found[0]).toEqual(texts.map((text) => text ?? ''));
    expect(found[1]).toEqual(
      numbers.map((number) => (number === null ? '' : Number.isInteger(number) ? `${number}.0` : String(number))),
    );
  });
});

describe('Parquet dictionary larger than the buffer of its column', () => {
  it.each(['UNCOMPRESSED', 'SNAPPY'])('yields all values, also after nulls (%s)', (codec) => {
    const place = (r: number): number => (r * 7919) % 9001;
    const texts = Array.from({ length: ROWS }, (_, r) =>
      r < 3000 || r % 7 === 0 ? null : `${place(r)} `.repeat(1 + (place(r) % 20)),
    );
    const ids = Array.from({ length: ROWS }, (_, r) =>
      r % 5 === 0 ? null : BigInt(place(r)) * 1_000_000_007_000_003n,
    );
    const numbers = Array.from({ length: ROWS }, (_, r) => (r % 3 === 0 ? null : place(r) / 4));
    const dictionaries = { encoding: 'RLE_DICTIONARY', dictionarySize: 1 << 24 };
    const columnData = [
      { name: 'text', data: texts, type: 'STRING', ...dictionaries },
      { name: 'id', data: ids, type: 'INT64', ...dictionaries },
      { name: 'number', data: numbers, type: 'DOUBLE', ...dictionaries },
    ];
    const found = readInWindows(columnData, codec, 1 << 14);
    expect(found[0]).toEqual(texts.map((text) => text ?? ''));
    expect(found[1]).toEqual(ids.map((id) => (id === null ? '' : String(id))));
    expect(found[2]).toEqual(
      numbers.map((number) => (number === null ? '' : Number.isInteger(number) ? `${number}.0` : String(number))),
    );
  });

  it('requires memory independent of the number of dictionary columns', { tags: ['long'] }, () => {
    const data = Array.from({ length: 131_072 }, (_, r) => BigInt(r));
    const path = scratchFile(
      'wide.parquet',
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [{ name: 'id', data, type: 'INT64', encoding: 'RLE_DICTIONARY' }],
          rowGroupSize: data.length,
        } as unknown as Parameters<typeof parquetWriteBuffer>[0]),
      ),
    );
    const module = (name: string): string =>
      JSON.stringify(pathToFileURL(join(import.meta.dirname, `../../dist/data/readers/parquet/${name}.js`)).href);
    // All columns read the same data.
    const script = `
      import { openSync } from 'node:fs';
      import { parquetMetadataAsync, parquetSchema, asyncBufferFromFile } from 'hyparquet';
      import { columnPlan } from ${module('column-plan')};
      import { GroupColumn } from ${module('group-column')};
      import { PageMemory } from ${module('page-memory')};
      const buffer = await asyncBufferFromFile(${JSON.stringify(path)});
      const metadata = await parquetMetadataAsync(buffer);
      const plan = columnPlan(parquetSchema(metadata).children[0]);
      const memory = new PageMemory(openSync(${JSON.stringify(path)}), 300);
      const { meta_data } = metadata.row_groups[0].columns[0];
      const columns = Array.from({ length: 300 }, () => new GroupColumn(plan, memory, 256));
      for (const column of columns) column.open(() => meta_data);
      let sum = 0;
      let peak = 0;
      for (let part = 0; part < 2; part++) for (const column of columns) {
        column.append(256);
        const { values } = column.take().numbers;
        for (let r = 0; r < 256; r++) sum += values[r];
        peak = Math.max(peak, process.memoryUsage().arrayBuffers);
      }
      console.log(JSON.stringify({ sum, peak }));
      process.exit();`;
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--max-old-space-size=64', '--input-type=module', '-e', script],
      { encoding: 'utf8', cwd: join(import.meta.dirname, '../..') },
    );
    expect(status, stderr.slice(0, 500)).toBe(0);
    const { sum, peak } = JSON.parse(stdout) as { sum: number; peak: number };
    expect(sum).toBe((300 * (511 * 512)) / 2);
    // The dictionaries alone would take 315 MB.
    expect(peak).toBeLessThan(200e6);
  });
});
