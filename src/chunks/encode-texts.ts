import { InvalidValueError } from '../text/invalid-value.js';
import type { ChunkRows } from './chunk.js';
import { CELL_SEPARATOR, type Column, type DictionaryValues, type Target } from './column.js';

/** How the texts of one column, or of several columns together, are read. */
export interface TextReading {
  readonly columns: readonly string[];
  /** Columns whose texts are read as numbers. */
  readonly numberColumns?: readonly string[] | undefined;
  /** Whether a condition compares the texts. */
  readonly isCondition?: boolean | undefined;
  /** Whether a list is read as its text; default: it is invalid. */
  readonly takesLists?: boolean;
}

export interface TextEncoding extends TextReading {
  /** @throws InvalidValueError */
  readonly encode: (text: string) => number;
  /** Whether a text may have another number in the next batch; default: no. */
  readonly isTransient?: boolean | undefined;
}

const ONE_VALUE = new InvalidValueError(
  'one value, not a list',
  'correct the row; if every row has a list, set type: bag for the feature',
);

/**
 * Returns a function from a row to its text; texts of several columns are joined with CELL_SEPARATOR. The function
 * throws InvalidValueError for a list.
 */
export function textReader(
  rows: ChunkRows,
  { columns: names, numberColumns = [], isCondition = false, takesLists = false }: TextReading,
): (row: number) => string {
  const texts = names.map((name) => {
    const column = rows.column(name);
    const isNumber = numberColumns.includes(name) && column.numberText !== undefined;
    const text = (row: number): string => (isNumber ? column.numberText!(row, isCondition) : column.text(row));
    return takesLists ? text : scalarOf(column, text);
  });
  const [first, ...others] = texts as [(typeof texts)[number], ...typeof texts];
  if (others.length === 0) return first;
  return (row) => others.reduce((joined, text) => joined + CELL_SEPARATOR + text(row), first(row));
}

/** Returns a function that throws InvalidValueError for a list. */
function scalarOf(column: Column, text: (row: number) => string): (row: number) => string {
  if (column.listAt === undefined) return text;
  return (row) => {
    if (column.listAt!(row) !== undefined) throw ONE_VALUE;
    return text(row);
  };
}

/**
 * Calls `read` for the text of each kept row; rows for which it throws an InvalidValueError are refused.
 * @param indices rows to read; default: all
 */
export function eachText(
  rows: ChunkRows,
  reading: TextReading,
  read: (text: string, row: number) => void,
  indices?: ArrayLike<number>,
): void {
  if (indices?.length === 0) return;
  const text = textReader(rows, reading);
  rows.eachKept(reading.columns, (row) => read(text(row), row), indices);
}

/** Encodes the texts of kept rows to `into`, from `first`; `indices` lists the rows to encode, default: all. */
export type EncodeTexts = (rows: ChunkRows, into: Target, first: number, indices?: ArrayLike<number>) => void;

/**
 * Creates a function that encodes texts, each distinct value of a dictionary once unless its number may change. It
 * refuses invalid rows.
 */
export function textEncoder(encoding: TextEncoding): EncodeTexts {
  const { columns, isTransient = false, encode } = encoding;
  const [memoized] = columns.length === 1 && !isTransient ? columns : [];
  /** Encoded values of dictionaries, NaN for those that are not encoded yet. */
  const memos = new WeakMap<DictionaryValues, Float64Array>();
  return (rows, into, first, indices) => {
    const dictionary = memoized === undefined ? undefined : rows.column(memoized).dictionary;
    if (dictionary === undefined) {
      eachText(rows, encoding, (text, row) => void (into[first + row] = encode(text)), indices);
      return;
    }
    const { values, indices: codes } = dictionary;
    const memo = memos.get(values) ?? new Float64Array(values.size).fill(NaN);
    memos.set(values, memo);
    const unknown: number[] = [];
    const end = indices?.length ?? rows.count;
    for (let i = 0; i < end; i++) {
      const row = indices === undefined ? i : indices[i]!;
      const known = memo[codes[row]!]!;
      if (Number.isNaN(known)) unknown.push(row);
      else into[first + row] = known;
    }
    eachText(rows, encoding, (text, row) => void (into[first + row] = memo[codes[row]!] = encode(text)), unknown);
  };
}
