/** Rows as input of a model: columns by name, of which the first `rows` rows are filled. */
export interface Batch<Column extends BatchColumn = BatchColumn> {
  readonly rows: number;
  readonly columns: ReadonlyMap<string, Column>;
}

/**
 * A column of a batch. Ids of embedding tables, and keys of raw values as two words per row (`core/row-key.ts`), are
 * `u32`; scaled numbers, vectors and labels are `f32`; numbers that need 64 bits, such as times, are `f64`; weighted
 * ids to pool are `list`.
 */
export type BatchColumn = ArrayColumn | BagColumn;

/** Arrays of the elements of columns with a fixed number of elements per row, by type. */
interface Arrays {
  readonly u32: Uint32Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;
}

export type ArrayType = keyof Arrays;

/** The elements of all rows, `width` per row. */
export type ArrayColumn<Type extends ArrayType = ArrayType> = {
  readonly [Each in Type]: { readonly type: Each; readonly width: number; readonly data: Arrays[Each] };
}[Type];

/** The bags of a batch's rows: row b holds items `offsets[b]` to `offsets[b + 1]`. */
export interface BagColumn {
  readonly type: 'list';
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

/**
 * Returns a column of a batch.
 * @throws Error if it is absent or has another type, which is a bug: batch and model share their fields
 */
export function column<Column extends BatchColumn, Type extends Column['type']>(
  { columns }: Pick<Batch<Column>, 'columns'>,
  name: string,
  type: Type,
): Extract<Column, { readonly type: Type }> {
  const found = columns.get(name);
  if (found?.type !== type) throw new Error(`the batch has no column '${name}' of type ${type}`);
  return found as Extract<Column, { readonly type: Type }>;
}

/** Returns the ids of a column of ids or lists, and how many there are. */
export function readIds(batch: Batch, name: string): { readonly ids: Uint32Array; readonly count: number } {
  const found = batch.columns.get(name);
  if (found?.type === 'list') return { ids: found.ids, count: found.offsets[batch.rows]! };
  return { ids: column(batch, name, 'u32').data, count: batch.rows };
}

/** Creates a column of ids, one per row. */
export function idColumn(data: Uint32Array): ArrayColumn<'u32'> {
  return { type: 'u32', width: 1, data };
}

/** Creates a column of numbers or labels, one per row. */
export function numberColumn(data: Float32Array): ArrayColumn<'f32'> {
  return { type: 'f32', width: 1, data };
}

/** Returns a batch with some columns added or replaced. */
export function withColumns(batch: Batch, columns: Iterable<readonly [name: string, column: BatchColumn]>): Batch {
  return { ...batch, columns: new Map([...batch.columns, ...columns]) };
}

/** Returns rows `begin` to `end` of a block as a batch that shares its memory. */
export function sliceRows({ columns }: Pick<Batch, 'columns'>, begin: number, end: number): Batch {
  const sliced = new Map<string, BatchColumn>();
  for (const [name, each] of columns) sliced.set(name, sliceColumn(each, begin, end));
  return { rows: end - begin, columns: sliced };
}

function sliceColumn(each: BatchColumn, begin: number, end: number): BatchColumn {
  if (each.type !== 'list') {
    const { width, data } = each;
    return { ...each, data: data.subarray(width * begin, width * end) } as ArrayColumn;
  }
  const first = each.offsets[begin]!;
  const offsets = each.offsets.slice(begin, end + 1);
  for (let i = 0; i < offsets.length; i++) offsets[i]! -= first;
  return {
    type: 'list',
    offsets,
    ids: each.ids.subarray(first, each.offsets[end]),
    weights: each.weights.subarray(first, each.offsets[end]),
  };
}
