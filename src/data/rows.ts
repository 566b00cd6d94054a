import { BadValue } from '../features/feature.js';
import { columnIndices, openCsv, type Csv } from './csv.js';
import type { RejectPolicy } from './rejects.js';
import type { RowFormat } from './row-format.js';

/** A column of the CSV and what becomes of its cells. */
export interface ColumnReader {
  readonly name: string;
  /** @throws BadValue for a cell that the column cannot take */
  read(text: string): void;
}

/** A CSV and the columns that are read from it. */
export interface RowSource {
  readonly csv: Csv;
  readonly indices: ReadonlyMap<string, number>;
}

/**
 * Opens a CSV and finds the columns in its header.
 * @throws UserError (data) for a file that cannot be read or lacks a column
 */
export async function openRows(path: string, columns: readonly string[]): Promise<RowSource> {
  const csv = await openCsv(path);
  return { csv, indices: columnIndices(csv, columns) };
}

/**
 * The way of one row through the column readers.
 * @returns a function that is true if every reader took its cell and the labels agree; otherwise the policy has the row
 */
export function rowReader(
  { csv, indices }: RowSource,
  readers: readonly ColumnReader[],
  checkRow: (cells: readonly string[]) => void,
  policy: RejectPolicy,
): (cells: readonly string[], line: number) => boolean {
  const columns = readers.map((reader) => ({ reader, index: indices.get(reader.name)! }));
  const width = csv.header.length;
  return (cells, line) => {
    const row = { path: csv.path, line, cells };
    if (cells.length !== width) {
      policy.reject({ ...row, column: undefined, value: undefined, expected: `${width} cells as in the header, found ${cells.length}` });
      return false;
    }
    let at = 0;
    try {
      for (; at < columns.length; at++) columns[at]!.reader.read(cells[columns[at]!.index]!);
      checkRow(cells);
      return true;
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      const column = columns[at];
      policy.reject({ ...row, column: column?.reader.name, value: column && cells[column.index], expected: error.expected });
      return false;
    }
  };
}

/**
 * The check that no label is 1 where the label that it is given is not.
 * @returns a function that throws BadValue
 */
export function funnelCheck({ indices }: RowSource, { labels, funnels }: RowFormat): (cells: readonly string[]) => void {
  const parse = new Map(labels.map((label) => [label.name, label.parse]));
  const isOne = (cells: readonly string[], name: string): boolean => parse.get(name)!(cells[indices.get(name)!]!) === 1;
  return (cells) => {
    for (const { label, given } of funnels) {
      if (isOne(cells, label) && !isOne(cells, given)) throw new BadValue(`${given} to be 1 where ${label} is 1`);
    }
  };
}
