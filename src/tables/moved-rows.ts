import { idColumn, readIds, withColumns, type Batch, type BatchColumn } from '../core/batch.js';
import type { InputLayout } from './layout.js';
import { idsOfTable, listTableFields } from './table-fields.js';

/**
 * Rows that are read from spare rows, which follow the rows of a table: row `rows[i]` of a table with n rows is read
 * from row n + i. Numbers of rows in ascending order, by the ids of tables (`idsOfTable`).
 */
export type MovedRows = ReadonlyMap<string, Uint32Array>;

/** No rows: each row of a table is read from its own place. */
export const NO_MOVED_ROWS: MovedRows = new Map();

/** Replaces the ids of moved rows in batches. */
export class RowMover {
  /** By field: the name of its ids, and the number of the first spare row. */
  readonly #fields: ReadonlyMap<string, { readonly ids: string; readonly first: number }>;
  #moved = NO_MOVED_ROWS;

  constructor(layout: InputLayout) {
    const tables = new Map(layout.tables.map((table) => [table.name, table]));
    this.#fields = new Map(
      listTableFields(layout).map(({ field, table: name }) => {
        const table = tables.get(name)!;
        return [field, { ids: idsOfTable(table), first: table.rows }];
      }),
    );
  }

  /** Sets the rows that are moved in later batches. */
  set(moved: MovedRows): void {
    this.#moved = moved;
  }

  /**
   * Returns a batch with the ids of the spare rows; the batch itself if no row is moved. A batch of a ranking has only
   * the fields of a user or of candidates.
   */
  apply(batch: Batch): Batch {
    if (this.#moved.size === 0) return batch;
    const moved: [field: string, BatchColumn][] = [];
    for (const [field, { ids: name, first }] of this.#fields) {
      const rows = this.#moved.get(name);
      const found = batch.columns.get(field);
      if (rows === undefined || found === undefined || found.type === 'f32') continue;
      const { ids, count } = readIds(batch, field);
      const own = moveIds(ids, count, rows, first);
      moved.push([field, found.type === 'list' ? { ...found, ids: own } : idColumn(own)]);
    }
    return withColumns(batch, moved);
  }
}

/** Returns a copy in which the first `count` ids that are moved are the ids of the spare rows. */
function moveIds(ids: Uint32Array, count: number, rows: Uint32Array, first: number): Uint32Array {
  const result = ids.slice();
  for (let i = 0; i < count; i++) {
    const at = findRow(rows, ids[i]!);
    if (at >= 0) result[i] = first + at;
  }
  return result;
}

/** Finds a row among numbers in ascending order by bisection; returns its index, or -1. */
function findRow(rows: Uint32Array, row: number): number {
  let [begin, end] = [0, rows.length];
  while (begin < end) {
    const middle = (begin + end) >>> 1;
    if (rows[middle]! < row) begin = middle + 1;
    else end = middle;
  }
  return rows[begin] === row ? begin : -1;
}
