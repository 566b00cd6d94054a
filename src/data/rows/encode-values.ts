import { ChunkRows, type Chunk } from '../../chunks/chunk.js';
import type { Column, Items } from '../../chunks/column.js';
import { createRowBlock, hasWords, reserveRows, wordColumn } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import { BadValue, type EncodedField } from '../../features/feature.js';
import { fieldColumn, fieldReader } from '../../features/kinds/kinds.js';
import type { DialectOptions } from '../dialect.js';
import { withPoint } from '../readers/decimal-comma.js';

/** An item of a bag: its id, with weight 1, or a pair or object of id and weight. */
export type Item =
  | string
  | number
  | bigint
  | readonly [id: string | number | bigint, weight: number]
  | { readonly id: string | number | bigint; readonly weight?: number };

/**
 * A value of a row: null and undefined are missing; a bag is a list of items and a vector a list of numbers, or either
 * is the string that a file would have.
 */
export type Cell =
  string | number | bigint | boolean | Date | Float32Array | Float64Array | null | undefined | readonly Item[];

/** A value that a field cannot take. */
export interface BadCell {
  readonly row: number;
  readonly columns: readonly string[];
  readonly value: unknown;
  readonly expected: string;
  readonly cure: string | undefined;
}

/** Encodes values as the cells of a file would be. */
export interface ValueEncoder {
  /**
   * @param begin number of the first row
   * @param cellsOf gives the way to the cells of a column by the number of their row; they are looked at, and may be
   * anything
   * @param onBad told of every value that cannot be; the row then holds an unknown, a 0 or an empty bag in its place
   * @returns a batch that is valid until the next is encoded
   */
  encode(
    rows: number,
    begin: number,
    cellsOf: (column: string) => (row: number) => unknown,
    onBad: (bad: BadCell) => void,
  ): Batch;
}

/**
 * Creates an encoder of values for some fields. Its memory is that of the largest batch so far.
 * @param decimal separator in texts; default: a dot
 */
export function createValueEncoder(fields: readonly EncodedField[], decimal?: DialectOptions['decimal']): ValueEncoder {
  const columns = fields.map(fieldColumn);
  const block = createRowBlock(columns, 0);
  const readers = fields.map((field, f) => ({ field, column: columns[f]!, read: fieldReader(field) }));
  const names = [...new Set(fields.flatMap((field) => field.columns))];
  return {
    encode(count, begin, cellsOf, onBad) {
      block.rows = 0;
      reserveRows(block, columns, count);
      const values = new Map(
        names.map((name) => [name, Array.from({ length: count }, rowsFrom(cellsOf(name), begin))]),
      );
      const chunk = chunkOf(values, count, decimal);
      for (const { field, column, read } of readers) {
        // The problems of all fields of a row are reported.
        const rows = new ChunkRows(chunk);
        read(rows, block);
        for (const [row, { error }] of rows.problems()) {
          if (hasWords(column)) {
            const { data, width } = wordColumn(block, column);
            data.fill(0, row * width, (row + 1) * width);
          }
          const found = field.columns.map((name) => values.get(name)![row]);
          onBad({
            row: begin + row,
            columns: field.columns,
            value: found.length === 1 ? found[0] : found,
            expected: error.expected,
            cure: error.cure,
          });
        }
      }
      block.rows = count;
      return block;
    },
  };
}

const rowsFrom =
  (cellOf: (row: number) => unknown, begin: number) =>
  (_: unknown, row: number): unknown =>
    cellOf(begin + row);

function chunkOf(
  values: ReadonlyMap<string, readonly unknown[]>,
  rows: number,
  decimal: DialectOptions['decimal'],
): Chunk {
  return {
    rows,
    numLines: rows,
    columns: new Map([...values].map(([name, all]) => [name, valueColumn(all, decimal)])),
    cellsOf: () => [],
  };
}

function valueColumn(all: readonly unknown[], decimal: DialectOptions['decimal']): Column {
  return {
    type: 'values',
    text: (row) => textOf(all[row]),
    numberText(row) {
      const value = all[row];
      if (typeof value === 'number') return String(value);
      const text = textOf(value);
      return decimal === ',' && typeof value === 'string' ? withPoint(text) : text;
    },
    // The text of -0 is 0.
    numbers: {
      values: Float64Array.from(all, (value) => (typeof value === 'number' ? value + 0 : NaN)),
      isWhole: true,
    },
    listAt: (row) => (Array.isArray(all[row]) ? itemsOf(all[row] as readonly unknown[]) : undefined),
    numbersAt: (row) => {
      const value = all[row];
      return isNumbers(value) ? value : undefined;
    },
  };
}

function itemsOf(list: readonly unknown[]): Items {
  const [ids, weights]: [string[], number[]] = [[], []];
  for (const item of list) {
    const [id, weight = 1] = partsOf(item);
    ids.push(textOf(id));
    weights.push(typeof weight === 'number' ? weight : NaN);
  }
  return { ids, weights, begin: 0, end: ids.length };
}

/** The id of an item, and its weight where it has one. */
function partsOf(item: unknown): readonly unknown[] {
  if (Array.isArray(item) && item.length === 2) return item as readonly unknown[];
  if (typeof item !== 'object' || item === null || !('id' in item)) return [item];
  return [item.id, 'weight' in item ? item.weight : undefined];
}

/** Whether a value is a list of numbers, also a typed array. */
function isNumbers(value: unknown): value is ArrayLike<number> {
  return Array.isArray(value)
    ? value.every((each) => typeof each === 'number')
    : value instanceof Float32Array || value instanceof Float64Array;
}

/** A point in time as ISO 8601 has it. */
function dateText(value: Date): string {
  if (Number.isNaN(value.getTime())) throw new BadValue('an existing date');
  return value.toISOString();
}

/** A double is the nearest of several whole numbers there, and nobody knows which was meant. */
const NOT_EXACT = new BadValue(
  `an integer of at most ${Number.MAX_SAFE_INTEGER}, the largest exact value`,
  'write it as a quoted string',
);

/** What stands for a value in a file. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return '';
  if (value instanceof Date) return dateText(value);
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) throw NOT_EXACT;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  throw new BadValue('a string or a number');
}
