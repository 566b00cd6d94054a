/** @module-tag long */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Lists } from '../../src/chunks/column.js';
import { openRows } from '../../src/data/readers/open-rows.js';
import { UserError } from '../../src/core/errors.js';
import { randomStream } from '../../src/core/random.js';
import { scratchFile } from '../support/scratch.js';

// Compares every type, codec, encoding, page version and null pattern with DuckDB's CSV export.

const FOLDER = join(import.meta.dirname, 'parquet-cases');
type Cell = string | readonly (readonly [string] | readonly [string, string])[];
// Written by make.py.
const expected = JSON.parse(readFileSync(join(FOLDER, 'cells.json'), 'utf8')) as Record<
  string,
  Record<string, readonly Cell[]>
>;

/** Reads the values of a file by column. */
async function cellsOf(path: string, columns: readonly string[]): Promise<Record<string, Cell[]>> {
  const { csv } = await openRows(path, columns);
  const cells: Record<string, Cell[]> = Object.fromEntries(columns.map((name) => [name, []]));
  for await (const piece of csv.pieces()) {
    if (!('columns' in piece)) throw new Error('expected columns');
    for (const name of columns) {
      const { text, lists } = piece.columns.get(name)!;
      for (let row = 0; row < piece.rows; row++) {
        if (lists === undefined) cells[name]!.push(text(row));
        else cells[name]!.push(itemsOf(lists, row));
      }
    }
  }
  return cells;
}

function itemsOf({ offsets, items, weights }: Lists, row: number): Cell {
  const [begin, end] = [offsets[row]!, offsets[row + 1]!];
  return Array.from({ length: end - begin }, (_, i) => [items.text(begin + i), String(weights?.[begin + i] ?? 1)]);
}

/** Normalizes items for comparison: weights as numbers, default 1. */
function comparable(cell: Cell): Cell {
  return typeof cell === 'string' ? cell : cell.map(([id, weight]) => [id, String(Number(weight ?? 1))]);
}

describe('Parquet cases', () => {
  const files = readdirSync(FOLDER).filter(
    (name) => expected[name.split('-')[0]!] !== undefined && name.endsWith('.parquet'),
  );

  it('are all covered', () => {
    expect(files.length).toBeGreaterThan(25);
    expect([...new Set(files.map((name) => name.split('-')[0]!))].sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(files)("%s has the values of DuckDB's export", async (name) => {
    const cells = expected[name.split('-')[0]!]!;
    const found = await cellsOf(join(FOLDER, name), Object.keys(cells));
    for (const [column, own] of Object.entries(cells)) expect(found[column], column).toEqual(own.map(comparable));
  });

  it.each(files.filter((name) => /^(lists|encodings|codecs-(snappy|lz4|zstd|gzip))-v?/.test(name)))(
    '%s with damaged bytes is read or rejected with an error',
    async (name) => {
      const bytes = readFileSync(join(FOLDER, name));
      const columns = Object.keys(expected[name.split('-')[0]!]!);
      const random = randomStream(1, name);
      for (let i = 0; i < 40; i++) {
        const damaged = Buffer.from(bytes);
        for (let b = 0; b < 1 + (i % 4); b++)
          damaged[4 + (random.uint32() % (bytes.length - 8))] = random.uint32() & 255;
        await cellsOf(scratchFile('x.parquet', damaged), columns).catch((error: unknown) =>
          expect(error).toBeInstanceOf(UserError),
        );
      }
    },
  );
});
