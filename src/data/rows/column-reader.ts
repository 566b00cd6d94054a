import type { AffineStep } from '../../core/scaling.js';
import type { BagItems, TokenLookup } from '../../features/feature.js';

/** Columns of the CSV and what becomes of their cells. */
export interface ColumnReader {
  readonly columns: readonly string[];
  /**
   * @param text the cell; those of several columns with CELL_SEPARATOR between them
   * @throws BadValue for a cell that the columns cannot take
   */
  read(text: string): void;
  /**
   * The same for a cell that is a list of items and not text; a reader that has none takes no lists.
   * @throws BadValue
   */
  readItems?(items: BagItems): void;
  /**
   * The same for a cell that is numbers, none where it is empty; a reader that has none takes no such cells.
   * @throws BadValue
   */
  readNumbers?(values: ArrayLike<number>): void;
  /** Whether any cell is taken as the text that it is, a list too, beside whatever else reads the column. */
  readonly isKept?: true;
  /** Columns whose cells are compared with numbers, where the reader makes something else of them. */
  readonly numberColumns?: readonly string[] | undefined;
  /** Where the cell goes if it is usual; it need not become text then. */
  readonly direct?: DirectCells;
}

/** What `read` would do with a usual cell of the row that is next in a block. */
export type DirectCells =
  /** Digits of an id below the bound: the id. */
  | { readonly cell: 'id'; readonly below: number; readonly into: Uint32Array | Float64Array }
  /**
   * A decimal number: what `encode` makes of it, itself where there is none; `affine` is the same where it subtracts
   * and divides alone.
   */
  | {
      readonly cell: 'number';
      readonly encode: ((value: number) => number) | undefined;
      readonly affine?: AffineStep | undefined;
      readonly into: Uint32Array | Float32Array | Float64Array;
    }
  /** A known token: its number. */
  | { readonly cell: 'token'; readonly idOf: TokenLookup; readonly into: Uint32Array | Float64Array }
  /** 0 or 1. */
  | { readonly cell: 'class'; readonly into: Float32Array };
