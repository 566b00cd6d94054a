import type { CellOptions } from './cells.js';
import type { ScaleStep } from '../core/scaling.js';
import type { StringPool } from './vocabulary/string-pool.js';

/**
 * How values become numbers, as data: for implementations elsewhere, and for the names of table rows. Always equal to
 * the encoder's `encode`.
 */
export type CellRule = CellMeaning & {
  /** Result for a missing value, before all other rules; for a field of several columns, if one of them is missing. */
  readonly empty: number | 'refused';
  /** Number of columns; values are separated by CELL_SEPARATOR. */
  readonly cells: number;
  /** Cleaning of each value, or bag item, before all other rules: trimming and null values. */
  readonly clean?: CellOptions;
};

/** Rule for values that are not missing. */
type CellMeaning =
  /**
   * An id in digits. An id ≥ `size` is row 0 or rejected. Ids above 2^31 - 1 and non-ids are rejected, unless `others`
   * maps them to row 0.
   */
  | { readonly kind: 'id'; readonly size: number; readonly beyond: 'unknown' | 'refused'; readonly others?: 'unknown' }
  /**
   * Row 1 for the first string, and so on; 0 for unknown strings. The reserved string may not occur as a value: its row
   * is for missing values.
   */
  | { readonly kind: 'text'; readonly texts: StringPool; readonly reserved?: string | undefined }
  /** 1 + MurmurHash3_x86_32 of the UTF-8 bytes modulo the number of buckets. */
  | { readonly kind: 'hashed'; readonly buckets: number; readonly seed: number }
  /** Row of a decimal number: 1 + the number of boundaries ≤ it. */
  | { readonly kind: 'range'; readonly boundaries: readonly number[] }
  /**
   * Position of a decimal number between the rows of knots, from row 1: 3.25 is a quarter of the way from the third to
   * the fourth. Clamped to the first and last knot.
   */
  | { readonly kind: 'between'; readonly knots: readonly number[] }
  /** A decimal number, scaled step by step. */
  | { readonly kind: 'number'; readonly scaling: readonly ScaleStep[] }
  /** Row of a date part: 1 for the first of its possible values. */
  | {
      readonly kind: 'time';
      readonly part: string;
      readonly format: string;
      readonly timeZone: string;
      readonly values: readonly string[];
    }
  /** The same result for every decimal number. */
  | { readonly kind: 'constant'; readonly value: number };

/** How the elements of a vector become columns, as data. */
export interface VectorRule {
  readonly length: number;
  /** Scaling steps in order, each for all elements. */
  readonly steps: readonly VectorStep[];
  /** Result for a missing value, per element. */
  readonly empty: readonly number[] | 'refused';
  /** Whether another column is 1 for missing values. */
  readonly hasIndicator: boolean;
}
export type VectorStep =
  | { readonly kind: 'log1p' }
  | { readonly kind: 'affine'; readonly subtract: readonly number[]; readonly divide: readonly number[] };

/** Converts a rule to JSON; strings are replaced by their count. */
export function ruleInJson(rule: CellRule): object {
  return rule.kind === 'text' ? { ...rule, texts: rule.texts.offsets.length - 1 } : rule;
}
