import { open } from 'node:fs/promises';
import { parquetMetadata, parquetSchema } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { columnPlan } from '../../src/data/files/parquet/column-plan.js';
import { leafCursor } from '../../src/data/files/parquet/leaf-cursor.js';
import { pageMemory } from '../../src/data/files/parquet/page-memory.js';
import { sliceColumn } from '../../src/data/files/parquet/slice-column.js';
import { scratchFile } from '../support/scratch.js';

const ROWS = 20_000;

/** A column that is one page, read with the memory that a column of a thousand has. */
async function readInWindows(columnData: { name: string; data: unknown[]; type?: string; encoding?: string }[], codec: string): Promise<string[][]> {
  const bytes = new Uint8Array(parquetWriteBuffer({ columnData, codec, rowGroupSize: ROWS, pageSize: 1e9, statistics: false } as unknown as Parameters<typeof parquetWriteBuffer>[0]));
  const metadata = parquetMetadata(bytes);
  const file = await open(scratchFile('x.parquet', bytes), 'r');
  try {
    const memory = pageMemory(file, bytes.length, 1000);
    const columns = parquetSchema(metadata).children.map((child, i) => {
      const plan = columnPlan(child);
      if ('fix' in plan || plan.kind !== 'cell') throw new Error('expected cells');
      return sliceColumn(plan, [leafCursor(metadata.row_groups[0]!.columns[i]!.meta_data!, plan.leaf, memory)], 1000);
    });
    const cells: string[][] = columns.map(() => []);
    for (let begin = 0; begin < ROWS; begin += 1000) {
      // In turns, so that what one has read is gone when the next reads on.
      for (const [c, column] of columns.entries()) {
        await column.append(1000);
        const { text } = column.take();
        for (let r = 0; r < 1000; r++) cells[c]!.push(text(r));
      }
    }
    return cells;
  } finally {
    await file.close();
  }
}

describe('a page of Parquet that is larger than what a column may keep', () => {
  it.each(['UNCOMPRESSED', 'SNAPPY'])('gives all of its values, a part at a time, also behind nulls (%s)', async (codec) => {
    const texts = Array.from({ length: ROWS }, (_, r) => (r < 5000 || r % 7 === 0 ? null : `${r} `.repeat(1 + (r % 40))));
    const numbers = Array.from({ length: ROWS }, (_, r) => (r % 3 === 0 ? null : r / 4));
    const found = await readInWindows([{ name: 'text', data: texts, type: 'STRING', encoding: 'PLAIN' }, { name: 'number', data: numbers, type: 'DOUBLE', encoding: 'PLAIN' }], codec);
    expect(found[0]).toEqual(texts.map((text) => text ?? ''));
    expect(found[1]).toEqual(numbers.map((number) => (number === null ? '' : Number.isInteger(number) ? `${number}.0` : String(number))));
  });
});
