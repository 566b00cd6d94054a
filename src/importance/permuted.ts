import { column, sliceRows, type BagColumn, type Batch } from '../core/batch.js';
import { createBagBuffer, gatherBags } from '../data/rows/bag-buffer.js';
import type { RowBlock } from '../data/rows/row-block.js';

/** Rows in memory, as batches in which some fields hold what they hold in other rows. */
export interface Permuter {
  /** The rows as they are. */
  plain(): Iterable<Batch>;
  /**
   * The rows, but that row r has these fields of row `order[r]`, all of them of the same one, and bags as a whole. A
   * batch is valid
   * until the next one.
   */
  permuted(fields: readonly string[], order: Uint32Array): Iterable<Batch>;
}

type Data = Uint32Array | Float32Array;

/** Gives out `rows`, so many at a time; only what is permuted is copied. */
export function createPermuter(rows: RowBlock, batchRows: number): Permuter {
  const begins = Array.from({ length: Math.ceil(rows.rows / batchRows) }, (_, i) => i * batchRows);
  const batches = begins.map((begin) => sliceRows(rows, begin, Math.min(rows.rows, begin + batchRows)));

  /** Replaces the columns of some fields in all batches, one after another. */
  function* replaced(fields: readonly string[], order: Uint32Array): Generator<Batch> {
    const cells = {
      ids: gatherers(rows.ids, fields, (length) => new Uint32Array(length)),
      numbers: gatherers(rows.numbers, fields, (length) => new Float32Array(length)),
      bags: fields.filter((name) => rows.bags.has(name)).map((name) => bagGatherer(name, column(rows.bags, name))),
    };
    for (const [i, batch] of batches.entries()) {
      const begin = begins[i]!;
      const ids = new Map(batch.ids);
      const numbers = new Map(batch.numbers);
      const bags = new Map(batch.bags);
      for (const gather of cells.ids) ids.set(...gather(order, begin, begin + batch.rows));
      for (const gather of cells.numbers) numbers.set(...gather(order, begin, begin + batch.rows));
      for (const gather of cells.bags) bags.set(...gather(order, begin, begin + batch.rows));
      yield { ...batch, ids, numbers, bags };
    }
  }

  type Gather<Column> = (order: Uint32Array, begin: number, end: number) => [string, Column];

  function gatherers<Kind extends Data>(
    columns: ReadonlyMap<string, Kind>,
    fields: readonly string[],
    create: (length: number) => Kind,
  ): Gather<Kind>[] {
    return fields
      .filter((name) => columns.has(name))
      .map((name) => {
        const from = column(columns, name);
        const into = create(batchRows);
        return (order, begin, end) => {
          for (let r = begin; r < end; r++) into[r - begin] = from[order[r]!]!;
          return [name, into];
        };
      });
  }

  function bagGatherer(name: string, from: BagColumn): Gather<BagColumn> {
    const into = createBagBuffer(batchRows);
    return (order, begin, end) => {
      gatherBags(from, order, begin, end, into);
      return [name, into];
    };
  }

  return { plain: () => batches, permuted: replaced };
}
