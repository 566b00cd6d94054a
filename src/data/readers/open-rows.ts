import type { DialectOptions, TEXT_FORMATS } from '../dialect.js';
import { fileSource, openHead, streamSource, type ByteSource } from './byte-source.js';
import type { CellFile, RowSource } from './cell-file.js';
import { columnIndices } from './column-indices.js';
import { openCsv } from './csv.js';
import { isStream, openStream } from './data-stream.js';
import type { JsonLinesOptions } from './json-lines.js';
import { isParquet } from './parquet/is-parquet.js';
import { readBeginning } from './text-file.js';

/** Bytes that are read at a time to find the first character. */
const LOOK_BYTES = 1 << 10;
/** Formats by file name. */
const NAMES = [
  [/\.(jsonl|ndjson|json)(\.(gz|zst|zstd))?$/i, 'jsonl'],
  [/\.(csv|tsv|psv|txt)(\.(gz|zst|zstd))?$/i, 'csv'],
] as const;

/**
 * Opens CSV, JSON Lines or Parquet, and finds the columns in its header.
 * @param path of a file or a named pipe; - is standard input
 * @param dialect of a text file
 * @param constants columns with one value for all rows, which the file may lack
 * @param keepsAll whether all columns are kept, so that a later row with another column is an error
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
  let csv: CellFile;
  if (isStream(path)) csv = await text(streamSource(openStream(path), dialect.encoding));
  else {
    const head = openHead(path);
    csv = isParquet(path, head.bytes)
      ? // Loaded on demand.
        (await import('./parquet/open-parquet.js')).openParquet(path, columns)
      : await text(fileSource(path, dialect.encoding, path, head));
  }
  return rowSource(csv, columns, constants);
}

/**
 * Finds columns in the header of a file.
 * @param constants columns with one value for all rows, which the file may lack
 * @throws UserError (data) for a file that lacks a column
 */
export function rowSource(
  csv: CellFile,
  columns: readonly string[],
  constants: ReadonlyMap<string, string>,
): RowSource<CellFile> {
  const { path, header, dialect } = csv;
  const wanted = columns.filter((name) => header.includes(name) || !constants.has(name));
  const own = new Map([...constants].filter(([name]) => columns.includes(name)));
  const indices = columnIndices(csv, wanted);
  return { csv, columns: { path, header, dialect, indices, constants: own.size > 0 ? own : undefined } };
}

/**
 * Opens a text file as CSV or JSON Lines: by its option, its name, or its first character.
 * @throws UserError (data) for a file that cannot be read
 */
export async function openText(
  source: ByteSource,
  options: DialectOptions,
  reading: JsonLinesOptions,
): Promise<CellFile> {
  if ((await findFormat(source, options)) === 'csv') return openCsv(source, options, reading.wanted);
  // Loaded on demand.
  const { openJsonLines } = await import('./json-lines.js');
  return openJsonLines(source, options, reading);
}

/** Finds the format of a text file: by its option, its name, or its first character. */
export async function findFormat(
  source: Pick<ByteSource, 'path' | 'look' | 'close'>,
  { format }: DialectOptions,
): Promise<(typeof TEXT_FORMATS)[number]> {
  return format ?? NAMES.find(([name]) => name.test(source.path))?.[1] ?? (await firstFormat(source));
}

async function firstFormat(
  source: Pick<ByteSource, 'path' | 'look' | 'close'>,
): Promise<(typeof TEXT_FORMATS)[number]> {
  return readBeginning(source, LOOK_BYTES, async (chunks) => {
    for await (const { bytes } of chunks) {
      const first = bytes.toString('utf8').replace('\ufeff', '').trimStart()[0];
      if (first !== undefined) return first === '{' ? 'jsonl' : 'csv';
    }
    return 'csv';
  });
}
