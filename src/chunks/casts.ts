import { IDENTITY_STEP, type AffineStep } from '../core/scaling.js';
import type { ChunkRows } from './chunk.js';
import { CELL_SEPARATOR, type CastTarget, type Column, type Target, type Utf8 } from './column.js';

// Reads whole columns as the types that fields ask for. A cast reads what a column stores without converting it to text
// and leaves unusual values, which their texts decide.

/** Returns the id of the string whose UTF-8 bytes are in `begin`…`end`, from 1; 0 if unknown or not UTF-8. */
export type TokenLookup = (bytes: Uint8Array, begin: number, end: number) => number;

/** Writes the results of the first rows to `into`, from `first`: as a call for each, but faster. */
export type EncodeAll = (cells: Utf8, rows: number, into: Target, first: number) => void;

/** What becomes of usual values, which need not become text: it equals what becomes of their text. */
export type Cast =
  /** Ids in digits below a bound encode as themselves. */
  | { readonly cell: 'id'; readonly below: number }
  /** Decimal numbers: `affine` describes `encode` if it subtracts and divides alone. */
  | {
      readonly cell: 'number';
      readonly encode?: ((value: number) => number) | undefined;
      readonly affine?: AffineStep | undefined;
    }
  /** Strings by a lookup of their bytes. */
  | { readonly cell: 'token'; readonly idOf: TokenLookup; readonly idsOf?: EncodeAll | undefined }
  /** Strings of ASCII characters, by their bytes; the strings of several columns have CELL_SEPARATOR between them. */
  | {
      readonly cell: 'text';
      readonly encode: (bytes: Uint8Array, begin: number, end: number) => number;
      readonly encodeAll?: EncodeAll | undefined;
    }
  /** A label, either 0 or 1. */
  | { readonly cell: 'class' };

/** Exclusive upper bound of ids. */
export const END_OF_IDS = 2 ** 31;

/**
 * Reads all rows of a column, or of several columns together.
 * @param names the columns
 * @returns the number of unusual values; undefined if the columns do not store what the cast reads
 */
export function castColumns(
  cast: Cast,
  rows: ChunkRows,
  names: readonly string[],
  target: CastTarget,
): number | undefined {
  const columns = names.map((name) => rows.column(name));
  if (cast.cell === 'text') return castTexts(cast, columns, rows.count, target);
  if (columns.length > 1) return undefined;
  const [column] = columns as [Column];
  if (cast.cell === 'id') return castIds(column, rows.count, Math.min(cast.below, END_OF_IDS), target);
  if (cast.cell === 'token') return castTokens(cast, column, rows.count, target);
  const values = toNumbers(column, rows.count);
  if (values === undefined) return undefined;
  if (cast.cell === 'class') return castClasses(values, rows.count, target);
  const step = cast.affine ?? (cast.encode === undefined ? IDENTITY_STEP : undefined);
  return step === undefined
    ? encodeNumbers(values, cast.encode!, rows, names, target)
    : scaleNumbers(values, rows.count, step, target);
}

function castIds(column: Column, rows: number, below: number, target: CastTarget): number | undefined {
  const { ids, cut, dictionary, numbers } = column;
  const { into, first, odd } = target;
  let numOdd = 0;
  if (cut !== undefined) return cut.readIds(rows, below, target);
  if (dictionary?.values.ids !== undefined) {
    const { indices, values } = dictionary;
    for (let row = 0; row < rows; row++) into[first + row] = values.ids![indices[row]!]!;
  } else if (ids !== undefined) {
    into.set(ids.values.subarray(0, rows), first);
    if (ids.size <= below) return 0;
  } else {
    return numbers?.isWhole === true ? castIntegers(numbers.values, rows, below, target) : undefined;
  }
  for (let row = 0; row < rows; row++) if (into[first + row]! >= below) odd[numOdd++] = row;
  return numOdd;
}

function castIntegers(values: Values, rows: number, below: number, { into, first, odd }: CastTarget): number {
  let numOdd = 0;
  for (let row = 0; row < rows; row++) {
    const value = values[row]!;
    // Every id is a signed integer of 32 bits.
    const id = value | 0;
    into[first + row] = id;
    if (id !== value || id < 0 || id >= below) odd[numOdd++] = row;
  }
  return numOdd;
}

type Values = Float64Array | Float32Array;

/**
 * Returns the values of a column that are decimal numbers, NaN for others; undefined if it does not store numbers. The
 * values of a cut column are valid until another one is read.
 */
export function toNumbers({ cut, numbers, numberText }: Column, rows: number): Values | undefined {
  // With decimal commas, a number is its text with a point.
  return cut !== undefined && numberText === undefined ? cut.readNumbers(rows) : numbers?.values;
}

function castClasses(values: Values, rows: number, { into, first, odd }: CastTarget): number {
  let numOdd = 0;
  for (let row = 0; row < rows; row++) {
    const value = values[row]!;
    into[first + row] = value;
    if (value !== 0 && value !== 1) odd[numOdd++] = row;
  }
  return numOdd;
}

/** A call for each number would allocate it as an object. */
function scaleNumbers(
  values: Values,
  rows: number,
  { subtract, divide }: AffineStep,
  { into, first, odd }: CastTarget,
): number {
  let numOdd = 0;
  for (let row = 0; row < rows; row++) {
    const value = values[row]!;
    if (Number.isFinite(Math.fround(value))) into[first + row] = (value - subtract) / divide;
    else odd[numOdd++] = row;
  }
  return numOdd;
}

function encodeNumbers(
  values: Values,
  encode: (value: number) => number,
  rows: ChunkRows,
  names: readonly string[],
  { into, first, odd }: CastTarget,
): number {
  let numOdd = 0;
  rows.eachKept(names, (row) => {
    const value = values[row]!;
    if (Number.isFinite(Math.fround(value))) into[first + row] = encode(value);
    else odd[numOdd++] = row;
  });
  return numOdd;
}

function castTokens(
  { idOf, idsOf = encodeEach(idOf) }: Extract<Cast, { cell: 'token' }>,
  { utf8 }: Column,
  rows: number,
  { into, first, odd }: CastTarget,
): number | undefined {
  if (utf8 === undefined) return undefined;
  idsOf(utf8, rows, into, first);
  let numOdd = 0;
  // An unknown value may be invalid UTF-8.
  for (let row = 0; row < rows; row++) if (into[first + row] === 0) odd[numOdd++] = row;
  return numOdd;
}

function encodeEach(encode: (bytes: Uint8Array, begin: number, end: number) => number): EncodeAll {
  return ({ bytes, begins, ends, stride, gap }, rows, into, first) => {
    for (let row = 0; row < rows; row++)
      into[first + row] = encode(bytes, begins[row * stride]! + gap, ends[row * stride]!);
  };
}

const SEPARATOR = CELL_SEPARATOR.charCodeAt(0);
/** First byte that is not ASCII. */
const NOT_ASCII = 128;

/** Missing values, and those that may be ambiguous or invalid UTF-8, are unusual. */
function castTexts(
  { encode, encodeAll = encodeEach(encode) }: Extract<Cast, { cell: 'text' }>,
  columns: readonly Column[],
  rows: number,
  { into, first, odd }: CastTarget,
): number | undefined {
  const cells = columns.flatMap(({ utf8 }) => utf8 ?? []);
  if (cells.length < columns.length) return undefined;
  let maxBytes = 0;
  for (const { begins, ends, stride, gap } of cells)
    for (let at = 0; at < rows * stride; at += stride) maxBytes += ends[at]! - begins[at]! - gap + 1;
  const joined = new Uint8Array(maxBytes);
  const offsets = new Uint32Array(rows + 1);
  let numOdd = 0;
  let end = 0;
  for (let row = 0; row < rows; row++) {
    const next = joinCells(cells, row, joined, end);
    if (next < 0) odd[numOdd++] = row;
    else end = next;
    offsets[row + 1] = end;
  }
  encodeAll({ bytes: joined, begins: offsets, ends: offsets.subarray(1), stride: 1, gap: 0 }, rows, into, first);
  return numOdd;
}

/** Writes the joined values of a row from an offset; returns their end, or -1 for an unusual value. */
function joinCells(cells: readonly Utf8[], row: number, into: Uint8Array, from: number): number {
  let at = from;
  for (let c = 0; c < cells.length; c++) {
    const { bytes, begins, ends, stride, gap } = cells[c]!;
    const begin = begins[row * stride]! + gap;
    const end = ends[row * stride]!;
    if (begin === end) return -1;
    if (c > 0) into[at++] = SEPARATOR;
    for (let i = begin; i < end; i++) {
      const byte = bytes[i]!;
      if (byte >= NOT_ASCII || byte === SEPARATOR) return -1;
      into[at++] = byte;
    }
  }
  return at;
}
