/** Names of what is written: columns of the data that are passed through, and predictions. */
export interface ScoredColumns {
  readonly kept: readonly string[];
  readonly predictions: readonly string[];
}

/** Rows on their way out, a list a column. */
export interface ScoredRows {
  readonly rows: number;
  /** Cells as they stood in the data. */
  readonly kept: readonly (readonly string[])[];
  /** NaN for a row that has none. */
  readonly predictions: readonly Float32Array[];
}

/** Takes rows to where they are kept. */
export interface RowWriter {
  /** @returns a promise that is kept when there is room for more */
  write(rows: ScoredRows): Promise<void>;
  /** Writes what is left; the bytes' own end is another's. */
  end(): Promise<void>;
}

/** Takes bytes; they must not be changed any more. */
export type WriteBytes = (bytes: Uint8Array) => Promise<void>;
