import { KEY_WORDS } from './row-key.js';

/** Rows as input of a model: one typed array per column, keyed by name, of which the first `rows` rows are filled. */
export interface Batch {
  readonly rows: number;
  /** Row of the embedding table, per field. */
  readonly ids: ReadonlyMap<string, Uint32Array>;
  /** Scaled number, per field. */
  readonly numbers: ReadonlyMap<string, Float32Array>;
  /** Vectors, per field; absent if no field has any. */
  readonly vectors?: ReadonlyMap<string, VectorColumn>;
  /** Embedding table rows to pool, per field. */
  readonly bags: ReadonlyMap<string, BagColumn>;
  readonly labels: ReadonlyMap<string, Float32Array>;
  /** Two words per row for a raw value, per key column (`keyColumn`); absent if there is none. */
  readonly keys?: ReadonlyMap<string, Uint32Array>;
  /** Numbers that need 64 bits, such as times; absent if there is none. */
  readonly doubles?: ReadonlyMap<string, Float64Array>;
}

/** The vectors of a batch's rows, concatenated. */
export interface VectorColumn {
  /** Elements per row. */
  readonly width: number;
  readonly data: Float32Array;
}

/** The bags of a batch's rows: row b holds items `offsets[b]` to `offsets[b + 1]`. */
export interface BagColumn {
  /** `rows + 1` offsets, starting at 0. */
  readonly offsets: Uint32Array;
  /** Row of the embedding table, per item. */
  readonly ids: Uint32Array;
  readonly weights: Float32Array;
}

/** A batch with an estimate of the total number of rows. */
export interface BatchRead {
  /** Valid until the next read, which reuses its memory. */
  readonly batch: Batch;
  /** Rows of the whole file, estimated from the share of bytes read; exact for the last batch. */
  readonly totalRows: number;
}

/** Returns the array of a column. @throws Error if it is absent, which is a bug: batch and model share their fields */
export function column<Data>(columns: ReadonlyMap<string, Data>, name: string): Data {
  const data = columns.get(name);
  if (data === undefined) throw new Error(`the batch has no column '${name}'`);
  return data;
}

/** Returns rows `begin` to `end` of a block as a batch that shares its memory. */
export function sliceRows(
  { ids, numbers, labels, bags, vectors, keys, doubles }: Omit<Batch, 'rows'>,
  begin: number,
  end: number,
): Batch {
  const cut = <Data extends Uint32Array | Float32Array | Float64Array>(
    columns: ReadonlyMap<string, Data>,
    part: (data: Data) => Data,
  ): Map<string, Data> => {
    const parts = new Map<string, Data>();
    for (const [name, data] of columns) parts.set(name, part(data));
    return parts;
  };
  const sliced = new Map<string, BagColumn>();
  for (const [name, bag] of bags) {
    const first = bag.offsets[begin]!;
    const offsets = bag.offsets.slice(begin, end + 1);
    for (let i = 0; i < offsets.length; i++) offsets[i]! -= first;
    sliced.set(name, {
      offsets,
      ids: bag.ids.subarray(first, bag.offsets[end]),
      weights: bag.weights.subarray(first, bag.offsets[end]),
    });
  }
  return {
    rows: end - begin,
    ids: cut(ids, (data) => data.subarray(begin, end)),
    numbers: cut(numbers, (data) => data.subarray(begin, end)),
    labels: cut(labels, (data) => data.subarray(begin, end)),
    bags: sliced,
    ...(keys !== undefined && { keys: cut(keys, (data) => data.subarray(KEY_WORDS * begin, KEY_WORDS * end)) }),
    ...(doubles !== undefined && { doubles: cut(doubles, (data) => data.subarray(begin, end)) }),
    ...(vectors !== undefined && {
      vectors: new Map(
        Array.from(vectors, ([name, { width, data }]) => [
          name,
          { width, data: data.subarray(begin * width, end * width) },
        ]),
      ),
    }),
  };
}
