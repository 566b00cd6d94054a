import { join } from 'node:path';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import type { Column } from '../../src/chunks/column.js';
import { LeafDictionary } from '../../src/data/readers/parquet/leaf-dictionary.js';
import { leafType, type LeafType } from '../../src/data/readers/parquet/leaf-type.js';
import { openParquet } from '../../src/data/readers/parquet/open-parquet.js';
import { ValueBuffer } from '../../src/data/readers/parquet/value-buffer.js';
import { readValues, storedType } from '../../src/data/readers/parquet/values.js';
import { scratchFile } from '../support/scratch.js';

// The representations of columns, which consumers read instead of one text per value.

const CASES = join(import.meta.dirname, 'parquet-cases');
const ROWS = 10_000;

/** Calls a function with each slice of some columns, and the rows before it. */
async function eachSlice(
  path: string,
  names: readonly string[],
  check: (columns: readonly Column[], first: number, rows: number) => void,
): Promise<void> {
  let first = 0;
  for await (const piece of openParquet(path, names).pieces()) {
    if (!('columns' in piece)) throw new Error('expected columns');
    check(
      names.map((name) => piece.columns.get(name)!),
      first,
      piece.rows,
    );
    first += piece.rows;
  }
}

function write(columnData: readonly object[], options: object = {}): string {
  const bytes = parquetWriteBuffer({ columnData, rowGroupSize: ROWS, ...options } as unknown as Parameters<
    typeof parquetWriteBuffer
  >[0]);
  return scratchFile('x.parquet', new Uint8Array(bytes));
}

function utf8Text({ utf8 }: Column, row: number): string {
  const { bytes, begins, ends, stride, gap } = utf8!;
  return Buffer.from(bytes.subarray(begins[row * stride]! + gap, ends[row * stride])).toString();
}

describe('column of a Parquet slice', () => {
  const words = Array.from({ length: ROWS }, (_, r) => (r % 7 === 0 ? null : `word ${r % 300}`));

  it('of strings in a dictionary has indices into one object per dictionary page', async () => {
    const seen = new Set<unknown>();
    const path = write([{ name: 'word', data: words, type: 'STRING', encoding: 'RLE_DICTIONARY' }]);
    await eachSlice(path, ['word'], ([column], first, rows) => {
      const { indices, values } = column!.dictionary!;
      seen.add(values);
      expect(Math.max(...indices)).toBeLessThan(values.size);
      for (let row = 0; row < rows; row++) {
        expect(values.text(indices[row]!)).toBe(words[first + row] ?? '');
        expect(column!.text(row)).toBe(words[first + row] ?? '');
      }
    });
    expect(seen.size).toBe(1);
  });

  it('of plain strings has UTF-8, empty for null', async () => {
    await eachSlice(
      write([{ name: 'word', data: words, type: 'STRING', encoding: 'PLAIN' }]),
      ['word'],
      ([column], first, rows) => {
        for (let row = 0; row < rows; row++) {
          expect(utf8Text(column!, row)).toBe(words[first + row] ?? '');
          expect(column!.text(row)).toBe(words[first + row] ?? '');
        }
      },
    );
  });

  it.each(['STRING', 'DATE', 'INT32'] as const)('has no dictionary if a page of the slice has none: %s', (kind) => {
    const element: SchemaElement =
      kind === 'STRING'
        ? { name: 'x', type: 'BYTE_ARRAY', converted_type: 'UTF8' }
        : { name: 'x', type: 'INT32', ...(kind === 'DATE' && { converted_type: 'DATE' }) };
    const type = leafType(element) as LeafType;
    const bytes =
      kind === 'STRING' ? Buffer.from('\x01\0\0\0a\0\0\0\0\x02\0\0\0bc') : Buffer.from(Int32Array.of(0, 1, 2).buffer);
    const values = readValues(storedType(element), 'PLAIN', bytes, 3);
    const dictionary = new LeafDictionary(values, type, 1000);
    const slice = new ValueBuffer(type, values.width);
    const texts = { DATE: ['1970-01-01', '1970-01-02', '1970-01-03'], STRING: ['a', '', 'bc'], INT32: ['0', '1', '2'] }[
      kind
    ];
    for (const isPlainFirst of [false, true]) {
      if (isPlainFirst) slice.append(values, 1, 2);
      slice.appendIndices(dictionary, Int32Array.of(2, 0, dictionary.missing), 3);
      slice.append(values, 1, 3, Int32Array.of(-1, 0, 1), 2);
      const column = slice.take();
      const expected = [...(isPlainFirst ? [texts[1], texts[2]] : []), texts[2], texts[0], '', '', texts[1], texts[2]];
      expect(expected.map((_, row) => column.text(row))).toEqual(expected);
      expect(column.dictionary).toBeUndefined();
      expect(column.utf8 === undefined).toBe(kind !== 'STRING');
      if (kind === 'INT32') expect([...column.numbers!.values].slice(-3)).toEqual([NaN, 1, 2]);
    }
    slice.appendIndices(dictionary, Int32Array.of(1, dictionary.missing), 2);
    expect(slice.take().dictionary!.indices).toEqual(Uint32Array.of(1, 3));
  });

  it('of numbers has NaN and the text of a value that is not exact', async () => {
    const data = Array.from({ length: ROWS }, (_, r): bigint | null =>
      r % 5 === 0 ? null : BigInt(r) * (r % 3 === 0 ? 1n : 2n ** 49n),
    );
    await eachSlice(write([{ name: 'id', data, type: 'INT64' }]), ['id'], ([column], first, rows) => {
      const { values, isWhole } = column!.numbers!;
      expect(isWhole).toBe(true);
      for (let row = 0; row < rows; row++) {
        const value = data[first + row] ?? null;
        expect(column!.text(row)).toBe(value === null ? '' : String(value));
        expect(values[row]).toBe(value !== null && Number.isSafeInteger(Number(value)) ? Number(value) : NaN);
      }
    });
  });

  it('of lists has items as one column, and JSON as text', async () => {
    const names = ['ids', 'words', 'pairs', 'map_of_decimals'];
    await eachSlice(join(CASES, 'lists-v1.parquet'), names, ([ids, texts, pairs, decimals]) => {
      expect([...ids!.lists!.offsets]).toEqual([0, 3, 3, 3, 4, 6, 7]);
      expect([...ids!.lists!.items.numbers!.values]).toEqual([1, 2, 3, NaN, 5, 5, 7]);
      expect(ids!.lists!.items.text(3)).toBe('9007199254740993');
      expect(ids!.lists!.weights).toBeUndefined();
      expect(texts!.lists!.items.dictionary ?? texts!.lists!.items.utf8).toBeDefined();
      expect([texts!.text(0), texts!.text(2)]).toEqual(['["a|b","c:2"]', '[]']);
      expect([...Array.from(pairs!.lists!.weights!)]).toEqual([0.1, 2, 0.5, 1, 1]);
      expect(pairs!.text(0)).toBe('[["1",0.1],["2",2]]');
      expect(Array.from(decimals!.lists!.weights!).slice(0, 3)).toEqual([1.15, 0.05, 7]);
    });
  });

  it('of lists of floats has the numbers of a row', async () => {
    const data = [[1, 2.5], [], [NaN, 3]];
    const schema = [
      { name: 'root', num_children: 1 },
      { name: 'v', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
    ];
    await eachSlice(write([{ name: 'v', data }], { schema }), ['v'], ([column]) => {
      expect(data.map((_, row) => [...Array.from(column!.numbersAt!(row)!)])).toEqual(data);
      expect(data.map((_, row) => column!.text(row))).toEqual(['[1.0, 2.5]', '[]', '[nan, 3.0]']);
    });
  });
});
