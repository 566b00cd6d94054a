import type { CellOptions } from './cells.js';
import type { ScaleStep } from '../core/scaling.js';
import type { StringPool } from './vocabulary/string-pool.js';

/**
 * How cells become numbers, as data: for whoever does the same elsewhere, and for the names of a table's rows. Always
 * what
 * `encode` of the encoder does.
 */
export type CellRule = CellMeaning & {
  /**
   * What an empty cell is, before all else; of several cells that are one together, what they are where one is empty.
   */
  readonly empty: number | 'refused';
  /** How many cells are one together, with CELL_SEPARATOR between them. */
  readonly cells: number;
  /** What each cell, or each item of a bag, is made before all else: trimmed, and empty where it is a word for that. */
  readonly clean?: CellOptions;
};

/** What a cell that is not empty is. */
export type CellMeaning =
  /**
   * An id in digits. One that is `size` or more is row 0 or refused; one beyond 2^31 - 1, and what is no id, are
   * refused but where they are said to be row 0.
   */
  | { readonly kind: 'id'; readonly size: number; readonly beyond: 'unknown' | 'refused'; readonly others?: 'unknown' }
  /**
   * Row 1 for the first text, and so on; 0 for others. The reserved text is one that no cell may be: its row is for
   * empty cells.
   */
  | { readonly kind: 'text'; readonly texts: StringPool; readonly reserved?: string | undefined }
  /** 1 + MurmurHash3_x86_32 of its UTF-8 bytes modulo the number of buckets. */
  | { readonly kind: 'hashed'; readonly buckets: number; readonly seed: number }
  /** A decimal number's row: 1 + how many boundaries are at most as large. */
  | { readonly kind: 'range'; readonly boundaries: readonly number[] }
  /**
   * A decimal number's place between the rows of knots, the first of which is row 1: 3.25 is a quarter of the way from
   * the third to the fourth. Beyond the ends, the end.
   */
  | { readonly kind: 'between'; readonly knots: readonly number[] }
  /** A decimal number, scaled step by step. */
  | { readonly kind: 'number'; readonly scaling: readonly ScaleStep[] }
  /** A point in time's row: 1 for the first of the values that it may have. */
  | {
      readonly kind: 'time';
      readonly part: string;
      readonly format: string;
      readonly timeZone: string;
      readonly values: readonly string[];
    }
  /** The same number for every decimal number. */
  | { readonly kind: 'constant'; readonly value: number };

/** How the numbers of a vector become columns, as data. */
export interface VectorRule {
  /** Numbers of a cell. */
  readonly length: number;
  /**
   * Scalings one after the other, each of all places: of one that is affine, what is subtracted and divided by in every
   * place.
   */
  readonly steps: readonly VectorStep[];
  /** What an empty cell is in every place. */
  readonly empty: readonly number[] | 'refused';
  /** Whether a column more says where a cell is empty. */
  readonly hasIndicator: boolean;
}
export type VectorStep =
  | { readonly kind: 'log1p' }
  | { readonly kind: 'affine'; readonly subtract: readonly number[]; readonly divide: readonly number[] };

/** A rule in JSON: of its texts, how many there are. */
export function ruleInJson(rule: CellRule): object {
  return rule.kind === 'text' ? { ...rule, texts: rule.texts.offsets.length - 1 } : rule;
}
