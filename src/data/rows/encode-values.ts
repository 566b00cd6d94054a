import type { Batch } from '../../core/batch.js';
import { BadValue, CELL_SEPARATOR, type BagItems } from '../../features/feature.js';
import type { EncodedField } from '../../features/feature-types.js';
import type { DialectOptions } from '../dialect.js';
import { withDecimal } from './decimal-comma.js';
import type { ColumnReader } from './column-reader.js';
import { createRowBlock, fieldReader, type RowBlock } from './row-block.js';

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
 * An encoder of values for these fields. Its memory is that of the largest batch so far.
 * @param decimal what texts have before the decimals of a number; a dot where it is not given
 */
export function createValueEncoder(fields: readonly EncodedField[], decimal?: DialectOptions['decimal']): ValueEncoder {
  let capacity = 0;
  let block = createRowBlock([], 0);
  let takes: readonly FieldTake[] = [];
  const reserve = (rows: number): void => {
    if (rows <= capacity) return;
    capacity = Math.max(rows, 2 * capacity);
    block = createRowBlock(fields, capacity);
    takes = fields.map((field) => takeOf(field, block, decimal));
  };
  return {
    encode(rows, begin, cellsOf, onBad) {
      reserve(rows);
      for (const { columns, take, clear } of takes) {
        const [first, ...others] = columns.map(cellsOf) as [(row: number) => unknown, ...((row: number) => unknown)[]];
        for (let row = 0; row < rows; row++) {
          block.rows = row;
          const value =
            others.length === 0
              ? first(begin + row)
              : [first(begin + row), ...others.map((cellOf) => cellOf(begin + row))];
          try {
            take(value);
          } catch (error) {
            if (!(error instanceof BadValue)) throw error;
            clear();
            onBad({ row: begin + row, columns, value, expected: error.expected, cure: error.cure });
          }
        }
      }
      block.rows = rows;
      return block;
    },
  };
}

/** The way of a field's cells into the row of a block that is next: of its column, or of its columns together. */
interface FieldTake {
  readonly columns: readonly string[];
  readonly take: (value: unknown) => void;
  /** Leaves nothing in the row. */
  readonly clear: () => void;
}

const NO_ITEMS: BagItems = { ids: [], weights: [], begin: 0, end: 0 };

function takeOf(field: EncodedField, block: RowBlock, decimal: DialectOptions['decimal']): FieldTake {
  const { name, columns, kind } = field;
  const reader = fieldReader(block, field);
  const take =
    columns.length > 1
      ? (values: unknown) => reader.read((values as readonly unknown[]).map(textOf).join(CELL_SEPARATOR))
      : takeCell(reader, block, decimal);
  if (kind === 'bag') return { columns, take, clear: () => reader.readItems!(NO_ITEMS) };
  if (kind === 'vector') {
    const { width, data } = block.vectors.get(name)!;
    return { columns, take, clear: () => void data.fill(0, block.rows * width, (block.rows + 1) * width) };
  }
  const into = kind === 'id' ? block.ids.get(name)! : block.numbers.get(name)!;
  return { columns, take, clear: () => void (into[block.rows] = 0) };
}

function takeCell(reader: ColumnReader, block: RowBlock, decimal: DialectOptions['decimal']): (value: unknown) => void {
  const [ofText] = withDecimal([reader], decimal) as [ColumnReader];
  const takeNumber = numberTake(reader, block);
  const takeItems = itemsTake(reader);
  return (value) => {
    if (typeof value === 'string') ofText.read(value);
    else if (typeof value === 'number') takeNumber(value);
    else if (reader.readNumbers !== undefined && isNumbers(value)) reader.readNumbers(value);
    else if (Array.isArray(value)) takeItems(value);
    else if (value instanceof Date) reader.read(dateText(value));
    else reader.read(textOf(value));
  };
}

/** The way of numbers, to what their text would give; most need not become text for it. */
function numberTake(reader: ColumnReader, block: RowBlock): (value: number) => void {
  const { direct, numberColumns } = reader;
  const isNumber = direct?.cell === 'number' || numberColumns !== undefined;
  const read = (value: number): void => reader.read(isNumber ? String(value) : textOf(value));
  if (direct?.cell === 'id') {
    const { below, into } = direct;
    return (value) => {
      if (value >= 0 && value < below && Number.isInteger(value)) into[block.rows] = value;
      else read(value);
    };
  }
  if (direct?.cell === 'number') {
    const { encode, into } = direct;
    return (value) => {
      if (!Number.isFinite(Math.fround(value))) read(value);
      // The text of -0 is 0.
      else into[block.rows] = encode === undefined ? value + 0 : encode(value + 0);
    };
  }
  return read;
}

function itemsTake({ readItems }: ColumnReader): (list: readonly unknown[]) => void {
  if (readItems === undefined) {
    return () => {
      throw new BadValue('one value, not a list');
    };
  }
  return (list) => {
    const [ids, weights]: [string[], number[]] = [[], []];
    for (const item of list) {
      const [id, weight = 1] = partsOf(item);
      ids.push(textOf(id));
      weights.push(typeof weight === 'number' ? weight : NaN);
    }
    readItems({ ids, weights, begin: 0, end: ids.length });
  };
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
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) throw NOT_EXACT;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  throw new BadValue('a string or a number');
}
