import { InvalidValueError } from '../text/invalid-value.js';
import type { Target } from './casts.js';
import type { ChunkRows } from './chunk.js';
import { CELL_SEPARATOR, type Column, type Dictionary, type DictionaryValues } from './column.js';

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

/** Encodes texts. */
export interface TextEncoding extends TextReading {
  /** @throws InvalidValueError */
  encode(text: string): number;
}

/**
 * Encodes the texts of some rows of a chunk, or of all rows, to `into`, from `first`. Invalid rows are refused; rows
 * that are not kept are skipped.
 * @param odd rows to encode; undefined for all
 */
export type EncodeTexts = (
  rows: ChunkRows,
  odd: Uint32Array | undefined,
  numOdd: number,
  into: Target,
  first: number,
) => void;

const ONE_VALUE = new InvalidValueError(
  'one value, not a list',
  'correct the row; if every row has a list, set type: bag for the feature',
);

/**
 * Returns a function from a row to its text; texts of several columns are joined with CELL_SEPARATOR. The function
 * throws InvalidValueError for a list.
 */
export function textsOf(
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

/** Calls `read` for the text of each kept row of `odd`, or of all; rows for which it throws are refused. */
export function eachText(
  rows: ChunkRows,
  reading: TextReading,
  odd: Uint32Array | undefined,
  numOdd: number,
  read: (text: string, row: number) => void,
): void {
  const end = odd === undefined ? rows.count : numOdd;
  if (end === 0) return;
  const text = textsOf(rows, reading);
  for (let i = 0; i < end; i++) {
    const row = odd === undefined ? i : odd[i]!;
    if (!rows.isKept(row)) continue;
    try {
      read(text(row), row);
    } catch (error) {
      rows.refuse(row, reading.columns, error);
    }
  }
}

/** Creates an encoder of texts, which encodes each distinct value of a dictionary once. */
export function createTextEncoder(encoding: TextEncoding): EncodeTexts {
  const encode = encoding.encode.bind(encoding);
  const memos = new WeakMap<DictionaryValues, Float64Array>();
  const memoOf = (values: DictionaryValues): Float64Array => {
    const memo = memos.get(values) ?? new Float64Array(values.size).fill(NaN);
    memos.set(values, memo);
    return memo;
  };
  return (rows, odd, numOdd, into, first) => {
    const dictionary = encoding.columns.length === 1 ? rows.column(encoding.columns[0]!).dictionary : undefined;
    if (dictionary === undefined)
      eachText(rows, encoding, odd, numOdd, (text, row) => void (into[first + row] = encode(text)));
    else encodeDictionary(rows, encoding, dictionary, memoOf(dictionary.values), odd, numOdd, into, first);
  };
}

function encodeDictionary(
  rows: ChunkRows,
  encoding: TextEncoding,
  { indices }: Dictionary,
  memo: Float64Array,
  odd: Uint32Array | undefined,
  numOdd: number,
  into: Target,
  first: number,
): void {
  let unknown: Uint32Array | undefined;
  let numUnknown = 0;
  const end = odd === undefined ? rows.count : numOdd;
  for (let i = 0; i < end; i++) {
    const row = odd === undefined ? i : odd[i]!;
    const known = memo[indices[row]!]!;
    if (Number.isNaN(known)) (unknown ??= new Uint32Array(rows.count))[numUnknown++] = row;
    else into[first + row] = known;
  }
  if (numUnknown === 0) return;
  eachText(rows, encoding, unknown, numUnknown, (text, row) => {
    into[first + row] = memo[indices[row]!] = encoding.encode(text);
  });
}
