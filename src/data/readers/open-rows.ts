import type { DialectOptions } from '../dialect.js';
import { fileSource, openHead, standardInput, type ByteSource } from './byte-source.js';
import type { FileHead } from './byte-chunks.js';
import type { CellFile, RowSource } from './cell-file.js';
import { columnIndices } from './column-indices.js';
import { openText } from './open-text.js';
import { isParquet } from './parquet/is-parquet.js';

/**
 * Opens a CSV, JSON Lines or Parquet, and finds the columns in its header.
 * @param path - is standard input, which can be read once
 * @param dialect what is said of a text file
 * @param constants columns that are the same in all rows and need not stand in the file
 * @param keepsAll whether all columns are kept, so that one more in a later row is an error
 * @throws UserError (data) for a file that cannot be read or lacks a column
 */
export async function openRows(
  path: string,
  columns: readonly string[],
  dialect: DialectOptions = {},
  constants: ReadonlyMap<string, string> = new Map(),
  keepsAll = false,
): Promise<RowSource<CellFile>> {
  const text = (source: ByteSource): Promise<CellFile> => openText(source, dialect, { wanted: columns, keepsAll });
  const openFile = async (head: FileHead): Promise<CellFile> =>
    (await openParquetFile(path, head, columns)) ?? (await text(fileSource(path, dialect.encoding, head)));
  const csv = path === '-' ? await text(standardInput(dialect.encoding)) : await openFile(openHead(path));
  const wanted = columns.filter((name) => csv.header.includes(name) || !constants.has(name));
  const own = new Map([...constants].filter(([name]) => columns.includes(name)));
  return {
    csv,
    columns: {
      path,
      header: csv.header,
      ...(csv.dialect && { dialect: csv.dialect }),
      indices: columnIndices(csv, wanted),
      ...(own.size > 0 && { constants: own }),
    },
  };
}

/** Opens a file if it is Parquet. Its reader is loaded only then. */
async function openParquetFile(
  path: string,
  { bytes }: FileHead,
  columns: readonly string[],
): Promise<CellFile | undefined> {
  if (!isParquet(path, bytes)) return undefined;
  const { openParquet } = await import('./parquet/open-parquet.js');
  return openParquet(path, columns);
}
