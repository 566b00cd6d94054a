/** A value in the type of its file, as Parquet stores it; null if it is missing. */
export type TypedValue = string | number | bigint | boolean | Uint8Array | null | readonly TypedValue[];

/**
 * The values of one data column for the rows of a chunk. Every column has texts; a column also has the representations
 * in which its source stores the values, so that readers need not convert them. Memory is valid until the next chunk.
 */
export interface Column {
  /** Type in the file, for errors. */
  readonly type: string;
  /**
   * Returns the exact text of a value, as a CSV would contain it; empty if it is missing, JSON if it is a list.
   * @throws InvalidValueError for a value without a text
   */
  text(row: number): string;
  /**
   * Returns the text of a value that is read as a number, with a decimal point; default: `text`. JSON's true is 1,
   * unless a condition compares it.
   */
  numberText?(row: number, isCompared: boolean): string;
  readonly numbers?: Numbers;
  readonly ids?: Ids;
  readonly utf8?: Utf8;
  readonly cut?: CutColumn;
  readonly dictionary?: Dictionary;
  readonly lists?: Lists;
  /** Returns a value in the type of the file. Default: the text; null if it is empty. */
  readonly value?: (row: number) => TypedValue;
  /**
   * Returns a value that is a list, or undefined for one that is not.
   * @param form default: items are ids that are not missing
   * @throws InvalidValueError for a value that is neither a list nor one value
   */
  listAt?(row: number, form?: ItemForm): Items | undefined;
  /** Returns a value that is a list of numbers, empty if it is missing; undefined for another value. */
  numbersAt?(row: number): ArrayLike<number> | undefined;
}

/** Values as numbers. NaN marks a value that only `text` represents exactly, or a missing one. */
export interface Numbers {
  readonly values: Float64Array | Float32Array;
  /** Whether the text of every integer among them is its digits. */
  readonly isWhole: boolean;
}

/** Values that are ids, independent of their texts. */
export interface Ids {
  readonly values: Uint32Array;
  /** Exclusive upper bound of all values. */
  readonly size: number;
}

/**
 * Values as UTF-8: value i is stored from `begins[i · stride] + gap` to `ends[i · stride]`. It may be invalid UTF-8.
 */
export interface Utf8 {
  readonly bytes: Uint8Array;
  readonly begins: Uint32Array;
  readonly ends: Uint32Array;
  readonly stride: number;
  readonly gap: number;
}

/** Values as indices into distinct values. A dictionary object has the same values as long as it exists. */
export interface Dictionary {
  readonly indices: Uint32Array;
  readonly values: DictionaryValues;
}

/** Distinct values of a dictionary, which several chunks may share. */
export interface DictionaryValues {
  readonly size: number;
  text(index: number): string;
  /** If all values are integers: ids as themselves, others as the largest element; null is another. */
  readonly ids?: Uint32Array | undefined;
}

/** Lists: the items of row i are items `offsets[i]` to `offsets[i + 1]`. A missing list is empty. */
export interface Lists {
  readonly offsets: Uint32Array;
  /** All items of all rows; an item's `text` is empty if it is null. */
  readonly items: Column;
  /** Weights of the items, NaN for an invalid one; undefined if all are 1. */
  readonly weights?: ArrayLike<number> | undefined;
  /** Whether items are lists (`ItemForm`). */
  readonly areLists?: boolean | undefined;
}

/** Returns the list of a row; its items have their texts as ids. */
export function listItems({ offsets, items, weights }: Lists, row: number): Items {
  const places = Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_, i) => offsets[row]! + i);
  return {
    ids: places.map((place) => items.text(place)),
    weights: places.map((place) => weights?.[place] ?? 1),
    begin: 0,
    end: places.length,
  };
}

/** What the items of a list may be. */
export interface ItemForm {
  /** Whether a missing item stays one of the list; default: it is dropped, or invalid if it was written so. */
  readonly keepsMissing?: boolean;
  /** Whether items are numbers; default: ids, whose digits matter. */
  readonly areNumbers?: boolean;
  /** Whether items are lists, whose texts are their items; JSON begins with `JSON_ITEM`. Default: items are values. */
  readonly areLists?: boolean;
}

/** Items `begin` to `end` of a list, each with an id and a weight. */
export interface Items {
  readonly ids: readonly string[];
  /** NaN for an invalid weight. */
  readonly weights: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Array that receives encoded values. */
export type Target = Uint32Array | Float32Array | Float64Array;

/** Memory for the values of a column. */
export interface CastTarget {
  readonly into: Target;
  /** Index in `into` of the first row. */
  readonly first: number;
  /** Receives the rows whose values are unusual. */
  readonly odd: Uint32Array;
}

/** A column of CSV lines that kernels read, from row 0 to `rows`. */
export interface CutColumn {
  /** Writes ids in digits below a bound; returns the number of unusual values. */
  readIds(rows: number, below: number, target: CastTarget): number;
  /** Decimal numbers as doubles, NaN for an unusual value; valid until the next read. */
  readNumbers(rows: number): Float64Array;
}

/** Separates the texts of several columns that one field reads; a value may not contain it. */
export const CELL_SEPARATOR = '\u001f';

/** Begins the text of an item that is a list in JSON; another text has separated values. */
export const JSON_ITEM = CELL_SEPARATOR;
