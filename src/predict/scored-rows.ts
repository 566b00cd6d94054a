import type { TypedValue } from '../chunks/column.js';
import type { ParquetSchema } from '../data/readers/cell-file.js';

/** Names of the output columns: passed through, and predictions. */
export interface ScoredColumns {
  readonly inputs: readonly string[];
  readonly predictions: readonly string[];
}

/** Output rows as columns. */
export interface ScoredRows {
  readonly rows: number;
  /** Raw values of the data. */
  readonly inputs: readonly (readonly string[])[];
  /** The same values in the types of the data; empty unless the writer takes types. */
  readonly typed: readonly (readonly TypedValue[])[];
  /** NaN for a row without a prediction. */
  readonly predictions: readonly Float32Array[];
}

export interface RowWriter {
  /** Takes the types of the input columns before the first row. Default: the writer writes texts. */
  takeTypes?(types: readonly (ParquetSchema | undefined)[]): void;
  /** @returns a promise that resolves when there is capacity for more rows */
  write(rows: ScoredRows): Promise<void>;
  /** Flushes the rows; does not end the byte sink. */
  end(): Promise<void>;
  /** Releases its resources, also after an error. */
  close?(): Promise<void>;
}

/** Writes bytes, which must not change afterward. */
export type WriteBytes = (bytes: Uint8Array) => Promise<void>;
