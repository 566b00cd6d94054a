import type { BagItems } from '../../features/feature.js';
import type { Dialect } from '../dialect.js';
import type { FileStats, Fingerprint } from './fingerprint.js';

/** The longest row that is read: a longer one is a quote that was never closed, or not a CSV. */
export const MAX_ROW_BYTES = 1 << 20;

/** Some rows as cells, with the line that each ends on. */
export interface CellRows {
  readonly rows: readonly (readonly string[])[];
  readonly lines: readonly number[];
  /** A row behind them that cannot be taken apart. */
  readonly bad?: BadLine;
}

/** A line that is no row. */
export interface BadLine {
  readonly line: number;
  readonly expected: string;
  readonly text: string;
}

/** Some rows as columns of cells. */
export interface CellColumns {
  readonly numRows: number;
  /** Number of the first of the rows in the file. */
  readonly firstRow: number;
  /** The line that each stands on, where the file has lines. */
  readonly lines?: ArrayLike<number>;
  /** The file that they are from, where the source has several. */
  readonly path: string;
  /** By name, those that were asked for; valid until the next piece is. */
  readonly columns: ReadonlyMap<string, CellColumn>;
}

/** The cells of a column for some rows. */
export interface CellColumn {
  /** The type that the file has for it, for people. */
  readonly type: string;
  readonly text: (row: number) => string;
  /**
   * Where cells are numbers: their values, NaN for a cell that only its text says; and whether all of them are digits
   * alone as text.
   */
  readonly numbers?: { readonly values: Float64Array; readonly isWhole: boolean };
  /** Where cells are bags, which need not be text for it. */
  readonly items?: (row: number) => BagItems;
  /**
   * Where any cell may be a list: its items; undefined for a cell that is none.
   * @throws BadValue for what is neither a list nor one value
   */
  readonly listOf?: (row: number) => BagItems | undefined;
  /** Where cells are lists of numbers: the same as numbers, NaN in the place of nothing. */
  readonly vectors?: (row: number) => ArrayLike<number>;
}

/**
 * Some of a file: rows that were taken apart, or columns, or bytes of plain rows; and the share of the file that was
 * read so far.
 */
export type Piece = (CellRows | CellColumns | PlainBytes) & { readonly progress: number };

/** A file of rows whose cells are text, ready to be read from its first row. */
export interface CellFile {
  readonly path: string;
  /** What it is, for people. */
  readonly kind: 'CSV' | 'JSON Lines' | 'Parquet';
  readonly header: readonly string[];
  /** How its bytes become cells, where it is a CSV. */
  readonly dialect?: Dialect;
  /** What to say of a column that the header does not have, where the file may have it nevertheless. */
  readonly missing?: { readonly message: string; readonly fix: string };
  /** @param ahead of a reader that asks for the next piece before it is done with one */
  pieces(ahead?: ReadAhead): AsyncGenerator<Piece>;
  /** What tells cheaply whether it may have changed. */
  stats(): Promise<FileStats>;
  /**
   * What it holds: known for nothing where all bytes passed on the way through `pieces`, else read for it, once.
   * @param onBytes told of the bytes of every read; what it throws ends the reading
   */
  fingerprint(onBytes?: (bytes: number) => void): Promise<Fingerprint>;
}

/** What a reader does that has several pieces of plain rows at work. */
export interface ReadAhead {
  /** How many it may still have when it asks for the next piece. */
  readonly pieces: number;
  /**
   * Done when it has none: the lines of all are counted, and their memory is free. Called before anything but such a
   * piece.
   */
  settle(): Promise<void>;
}

/**
 * Bytes of whole lines without a quote, with one byte between cells, each with a line feed (or both characters) at its
 * end.
 */
export interface PlainBytes {
  readonly bytes: Buffer;
  readonly begin: number;
  readonly end: number;
  /** Counted on while they are read. */
  readonly next: LineCount;
}

/** Where a reader of a file stands. */
export interface LineCount {
  /** Number of the line that is read next. */
  line: number;
}
