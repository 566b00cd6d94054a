/** Rows on their way into a model: a typed array a column, keyed by name. `rows` of each are filled. */
export interface Batch {
  readonly rows: number;
  /** By field: the row of its embedding table. */
  readonly ids: ReadonlyMap<string, Uint32Array>;
  /** By field: the scaled number. */
  readonly numbers: ReadonlyMap<string, Float32Array>;
  /** By field: the rows of its embedding table that are pooled. */
  readonly bags: ReadonlyMap<string, BagColumn>;
  /** By label column. */
  readonly labels: ReadonlyMap<string, Float32Array>;
}

/** The bags of a batch's rows: row b holds items `offsets[b]` to `offsets[b + 1]`. */
export interface BagColumn {
  /** One more than there are rows, from 0 on. */
  readonly offsets: Uint32Array;
  /** Of each item: the row of the embedding table. */
  readonly ids: Uint32Array;
  readonly weights: Float32Array;
}

/** A batch, and how many rows there seem to be. */
export interface BatchRead {
  /** Valid until the next one is asked for: its memory is used again. */
  readonly batch: Batch;
  /** Rows of the whole file, estimated from the share of its bytes that was read; exact for the last. */
  readonly totalRows: number;
}

/** The array of a column, which must be there: a batch is made from the same fields that the model was built from. */
export function column<Data>(columns: ReadonlyMap<string, Data>, name: string): Data {
  const data = columns.get(name);
  if (data === undefined) throw new Error(`the batch has no column '${name}'`);
  return data;
}
