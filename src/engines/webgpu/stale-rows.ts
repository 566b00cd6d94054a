import type { Batch } from '../../core/batch.js';
import { createRowJournal } from '../../tables/row-journal.js';
import type { Compiled } from '../compile/compile.js';
import type { TablePlace } from '../compile/tables.js';
import type { TableRows } from './table-transfers.js';

/** Rows of trained tables that may be newer on the device than on the host. */
export interface StaleRows {
  /** Adds the rows of a batch that is trained on. */
  add(batch: Batch): void;
  /** Marks all rows as stale. */
  addAll(): void;
  /** Lists the rows of each trained table. */
  list(): ReadonlyMap<TablePlace, TableRows>;
  clear(): void;
}

/**
 * Creates the stale rows of a program: none. If tables grow, they are listed row by row, since the program of a stream
 * is read after a few steps for a delta. Otherwise a step makes all rows stale, which takes it no time.
 * @param countRows returns the number of rows in use
 */
export function createStaleRows(
  { plan: { layout }, tables: { trained } }: Pick<Compiled, 'plan' | 'tables'>,
  countRows: (table: TablePlace) => number,
): StaleRows {
  const isGrowing = trained.some(({ initialRows }) => initialRows !== undefined);
  const journal = isGrowing ? createRowJournal(layout) : undefined;
  let areAll = false;
  return {
    add(batch) {
      if (journal === undefined) areAll = true;
      else journal.mark(batch);
    },
    addAll: () => void (areAll = true),
    list() {
      const some = areAll ? undefined : journal?.rows();
      // Without laziness, a step updates all rows.
      const rowsOf = (table: TablePlace): TableRows =>
        (table.update.isLazy ? some?.get(table.name) : undefined) ?? countRows(table);
      return new Map(trained.map((table) => [table, rowsOf(table)]));
    },
    clear() {
      journal?.clear();
      areAll = false;
    },
  };
}
