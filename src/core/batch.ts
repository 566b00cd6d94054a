import { KEY_WORDS } from './row-key.js';

/** Rows on their way into a model: a typed array a column, keyed by name. `rows` of each are filled. */
export interface Batch {
  readonly rows: number;
  /** By field: the row of its embedding table. */
  readonly ids: ReadonlyMap<string, Uint32Array>;
  /** By field: the scaled number. */
  readonly numbers: ReadonlyMap<string, Float32Array>;
  /** By field of several numbers a row; missing where there is none. */
  readonly vectors?: ReadonlyMap<string, VectorColumn>;
  /** By field: the rows of its embedding table that are pooled. */
  readonly bags: ReadonlyMap<string, BagColumn>;
  /** By label column. */
  readonly labels: ReadonlyMap<string, Float32Array>;
  /** By key column (`keyColumn`): two words a row that stand for a raw cell; missing where there is none. */
  readonly keys?: ReadonlyMap<string, Uint32Array>;
}

/** The vectors of a batch's rows, one behind the other. */
export interface VectorColumn {
  /** Numbers a row. */
  readonly width: number;
  readonly data: Float32Array;
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

/** Rows `begin` to `end` of a block as a batch that shares its memory. */
export function sliceRows(
  { ids, numbers, labels, bags, vectors, keys }: Omit<Batch, 'rows'>,
  begin: number,
  end: number,
): Batch {
  const cut = <Data extends Uint32Array | Float32Array>(
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
