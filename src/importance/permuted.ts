import { column, sliceRows, type BagColumn, type Batch, type VectorColumn } from '../core/batch.js';
import { BagBuffer } from '../chunks/bag-buffer.js';
import type { RowBlock } from '../chunks/row-block.js';

/** Rows in memory as batches, with permuted fields. */
export interface Permuter {
  /** Returns the unpermuted rows. */
  baseline(): Iterable<Batch>;
  /**
   * Returns the rows with the given fields of row r replaced by those of row `order[r]`; bags and vectors move as a
   * whole. A batch is valid until the next one.
   */
  permuted(fields: readonly string[], order: Uint32Array): Iterable<Batch>;
}

type Data = Uint32Array | Float32Array;

/** Creates a permuter over `rows`; copies only permuted columns. */
export function createPermuter(rows: RowBlock, batchRows: number): Permuter {
  const begins = Array.from({ length: Math.ceil(rows.rows / batchRows) }, (_, i) => i * batchRows);
  const batches = begins.map((begin) => sliceRows(rows, begin, Math.min(rows.rows, begin + batchRows)));

  /** Replaces the columns of some fields, batch by batch. */
  function* permuteBatches(fields: readonly string[], order: Uint32Array): Generator<Batch> {
    const cells = {
      ids: createGatherers(rows.ids, fields, batchRows, (length) => new Uint32Array(length)),
      numbers: createGatherers(rows.numbers, fields, batchRows, (length) => new Float32Array(length)),
      bags: fields
        .filter((name) => rows.bags.has(name))
        .map((name) => createBagGatherer(name, column(rows.bags, name), batchRows)),
      vectors: [...rows.vectors]
        .filter(([name]) => fields.includes(name))
        .map(([name, source]) => createVectorGatherer(name, source, batchRows)),
    };
    for (const [i, batch] of batches.entries()) {
      const begin = begins[i]!;
      const ids = new Map(batch.ids);
      const numbers = new Map(batch.numbers);
      const bags = new Map(batch.bags);
      const vectors = new Map(batch.vectors);
      for (const gather of cells.ids) ids.set(...gather(order, begin, begin + batch.rows));
      for (const gather of cells.numbers) numbers.set(...gather(order, begin, begin + batch.rows));
      for (const gather of cells.bags) bags.set(...gather(order, begin, begin + batch.rows));
      for (const gather of cells.vectors) vectors.set(...gather(order, begin, begin + batch.rows));
      yield { ...batch, ids, numbers, bags, vectors };
    }
  }

  return { baseline: () => batches, permuted: permuteBatches };
}

/** Returns a field of rows `begin` to `end` with the values of other rows. */
type Gather<Column> = (order: Uint32Array, begin: number, end: number) => [string, Column];

function createGatherers<Kind extends Data>(
  columns: ReadonlyMap<string, Kind>,
  fields: readonly string[],
  batchRows: number,
  create: (length: number) => Kind,
): Gather<Kind>[] {
  return fields
    .filter((name) => columns.has(name))
    .map((name) => {
      const source = column(columns, name);
      const target = create(batchRows);
      return (order, begin, end) => {
        for (let r = begin; r < end; r++) target[r - begin] = source[order[r]!]!;
        return [name, target];
      };
    });
}

function createBagGatherer(name: string, source: BagColumn, batchRows: number): Gather<BagColumn> {
  const target = new BagBuffer(batchRows);
  return (order, begin, end) => {
    target.gather(source, order, begin, end);
    return [name, target];
  };
}

function createVectorGatherer(
  name: string,
  { width, data: source }: VectorColumn,
  batchRows: number,
): Gather<VectorColumn> {
  const data = new Float32Array(batchRows * width);
  return (order, begin, end) => {
    for (let r = begin; r < end; r++)
      data.set(source.subarray(order[r]! * width, (order[r]! + 1) * width), (r - begin) * width);
    return [name, { width, data }];
  };
}
