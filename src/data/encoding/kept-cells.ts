import { parseText } from '../../features/parse.js';
import type { RowShape } from '../files/row-reader.js';
import type { ColumnReader } from '../rows/column-reader.js';
import type { BadRow, RejectPolicy } from '../rows/rejects.js';

/** What passes beside the rows of a block: cells that are kept as they are, and rows that cannot be in it. */
export interface RowsBeside {
  /** By kept column: the cells of all rows, those that are not in the block among them. */
  readonly kept: readonly (readonly string[])[];
  /** Of each row that is not in the block, in their order: how many of its rows stand before it. */
  readonly skipped: readonly number[];
}

/** Cells on their way beside a block. */
export interface KeptCells {
  readonly readers: readonly ColumnReader[];
  /** The same policy, whose rows are noted where it lets them pass. */
  noting(policy: RejectPolicy): RejectPolicy;
  /** What there is beside the rows of the block, which is about to be emptied. */
  take(): RowsBeside;
}

/**
 * Keeps the cells of some columns. Those of a bad row are kept too, empty where nobody can tell which cell is whose.
 * @param block that the row is read into: as its row `rows`
 */
export function createKeptCells(
  columns: readonly string[],
  { csv, indices, constants }: RowShape,
  block: { readonly rows: number },
): KeptCells {
  const cells = columns.map((): string[] => []);
  const skippedCells: string[][] = [];
  const skipped: number[] = [];
  const cellsOf = (row: BadRow): string[] =>
    columns.map(
      (name) => constants?.get(name) ?? (row.cells.length === csv.header.length ? row.cells[indices.get(name)!]! : ''),
    );
  const merged = (column: readonly string[], c: number): string[] => {
    const all: string[] = [];
    let from = 0;
    for (const [s, before] of skipped.entries()) {
      for (; from < before; from++) all.push(column[from]!);
      all.push(skippedCells[s]![c]!);
    }
    return [...all, ...column.slice(from, block.rows)];
  };
  return {
    readers: columns.map((name, c) => ({
      columns: [name],
      isKept: true,
      read: (text) => void (cells[c]![block.rows] = parseText(text)),
    })),
    noting: (policy) => ({
      get count() {
        return policy.count;
      },
      reject(row) {
        policy.reject(row);
        skipped.push(block.rows);
        skippedCells.push(cellsOf(row));
      },
    }),
    take() {
      const beside = {
        kept: cells.map((column, c) => (skipped.length === 0 ? column.slice(0, block.rows) : merged(column, c))),
        skipped: skipped.splice(0),
      };
      skippedCells.length = 0;
      return beside;
    },
  };
}
