import { BadValue, CELL_SEPARATOR } from '../../features/feature.js';
import type { DialectOptions } from '../dialect.js';
import type { CellFile } from './cell-file.js';
import { fileSource, standardInput, type ByteSource } from './byte-source.js';
import { columnIndices } from './column-indices.js';
import { openText } from './open-text.js';
import { isParquet } from './parquet/is-parquet.js';
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
 * Opens a CSV, JSON Lines or Parquet, and finds the columns in its header.
 * @param path - is standard input, which can be read once
 * @param dialect what is said of a text file
 * @param constants columns that are the same in all rows and need not stand in the file
 * @param keepsAll whether all columns are kept, so that one more in a later row is an error
 * @throws UserError (data) for a file that cannot be read or lacks a column
 */
export async function openRows(path: string, columns: readonly string[], dialect: DialectOptions = {}, constants: ReadonlyMap<string, string> = new Map(), keepsAll = false): Promise<RowSource> {
  const text = (source: ByteSource): Promise<CellFile> => openText(source, dialect, { wanted: columns, keepsAll });
  const csv = path === '-' ? await text(standardInput(dialect.encoding)) : ((await openParquetFile(path, columns)) ?? (await text(await fileSource(path, dialect.encoding))));
  const wanted = columns.filter((name) => csv.header.includes(name) || !constants.has(name));
  const isConstant = columns.some((name) => constants.has(name));
  return { csv, indices: columnIndices(csv, wanted), ...(isConstant && { constants: new Map([...constants].filter(([name]) => columns.includes(name))) }) };
}

/** Parquet, where the path leads to a file of it. Its reader is loaded only then. */
async function openParquetFile(path: string, columns: readonly string[]): Promise<CellFile | undefined> {
  if (!(await isParquet(path))) return undefined;
  const { openParquet } = await import('./parquet/open-parquet.js');
  return openParquet(path, columns);
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
  const columns = [...(first?.readers ?? []), ...readers].map((reader) => ({ reader, cellOf: cellReader(reader.columns, indices) }));
  const numFirst = first?.readers.length ?? 0;
  const width = csv.header.length;
  const namer = csv.dialect?.header === false ? 'data.columns' : 'the header';
  return (cells, line) => {
    const row = { path: csv.path, line, cells };
    if (cells.length !== width) {
      policy.reject({ ...row, column: undefined, value: undefined, expected: `${width} cells as in ${namer}, found ${cells.length}` });
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
      policy.reject({ ...row, column: column?.reader.columns.join(', '), value: column?.cellOf(cells), expected: error.expected, cure: error.cure });
      return false;
    }
  };
}

/** The text of one column's cell, or of several columns' with CELL_SEPARATOR between them. */
function cellReader(columns: readonly string[], indices: ReadonlyMap<string, number>): (cells: readonly string[]) => string {
  const [first, ...rest] = columns.map((name) => indices.get(name)!);
  if (rest.length === 0) return (cells) => cells[first!]!;
  return (cells) => rest.reduce((text, index) => text + CELL_SEPARATOR + cells[index]!, cells[first!]!);
}
