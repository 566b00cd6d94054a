import { BadValue, CELL_SEPARATOR } from '../../features/feature.js';
import type { CellFile } from './cell-file.js';
import type { ColumnReader } from '../rows/column-reader.js';
import type { RejectPolicy } from '../rows/rejects.js';
import type { RulesInTurn } from '../rows/row-rule.js';

/** Where the columns of a CSV stand that are read from it. Plain data, but for what can be done with the file. */
export interface RowShape {
  readonly csv: Pick<CellFile, 'path' | 'header' | 'dialect'>;
  readonly indices: ReadonlyMap<string, number>;
  /** Columns that are the same in all rows, whether they stand in the file or not. */
  readonly constants?: ReadonlyMap<string, string>;
}

/** A CSV and the columns that are read from it. */
export interface RowSource extends RowShape {
  readonly csv: CellFile;
}

/**
 * The way of one row through the column readers.
 * @param settle whether the row is kept that was just read
 * @param first what decides before the readers see the row
 * @returns a function that is true for a row that is kept; the policy has those that a reader or `settle` refuses
 */
export function rowReader(
  { csv, indices }: RowShape,
  readers: readonly ColumnReader[],
  settle: (line: number) => boolean,
  policy: RejectPolicy,
  first?: RulesInTurn,
): (cells: readonly string[], line: number) => boolean {
  const columns = [...(first?.readers ?? []), ...readers].map((reader) => ({
    reader,
    cellOf: cellReader(reader.columns, indices),
  }));
  const numFirst = first?.readers.length ?? 0;
  const width = csv.header.length;
  const namer = csv.dialect?.header === false ? 'data.columns' : 'the header';
  return (cells, line) => {
    const row = { path: csv.path, line, cells };
    if (cells.length !== width) {
      policy.reject({
        ...row,
        column: undefined,
        value: undefined,
        expected: `${width} values as in ${namer}, found ${cells.length}`,
      });
      return false;
    }
    let at = 0;
    try {
      for (; at < numFirst; at++) columns[at]!.reader.read(columns[at]!.cellOf(cells));
      // What it throws is of no column that is read next.
      at = columns.length;
      if (first?.settle(line) === false) return false;
      at = numFirst;
      for (; at < columns.length; at++) columns[at]!.reader.read(columns[at]!.cellOf(cells));
      return settle(line);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      const column = columns[at];
      policy.reject({
        ...row,
        column: column?.reader.columns.join(', '),
        value: column?.cellOf(cells),
        expected: error.expected,
        cure: error.cure,
      });
      return false;
    }
  };
}

/** The text of one column's cell, or of several columns' with CELL_SEPARATOR between them. */
function cellReader(
  columns: readonly string[],
  indices: ReadonlyMap<string, number>,
): (cells: readonly string[]) => string {
  const [first, ...rest] = columns.map((name) => indices.get(name)!);
  if (rest.length === 0) return (cells) => cells[first!]!;
  return (cells) => rest.reduce((text, index) => text + CELL_SEPARATOR + cells[index]!, cells[first!]!);
}
