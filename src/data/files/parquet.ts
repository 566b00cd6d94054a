import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead, parquetSchema, type AsyncBuffer, type FileMetaData } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { quoted, UserError, userError } from '../../errors.js';
import type { CellFile, Piece } from './cell-file.js';
import { hashFiles, statsOf, type Fingerprint } from './fingerprint.js';

/** Rows that become text at a time. */
const SLICE_ROWS = 1 << 12;

/** One file of a Parquet source. */
interface Part {
  readonly path: string;
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly columns: readonly string[];
}

/** The files of a folder as Spark writes it: what is hidden, or begins with _, is not data. */
export async function parquetParts(folder: string): Promise<readonly string[]> {
  const entries = (await readdir(folder, { withFileTypes: true })).filter(({ name }) => !/^[._]/.test(name));
  const parts = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.parquet')).map(({ name }) => name).sort();
  const other = entries.find((entry) => !parts.includes(entry.name));
  if (parts.length > 0 && other !== undefined) {
    throw userError('data', { where: join(folder, other.name), message: `stands among the parts of a Parquet folder, and is not one of them`, fix: 'write the parts into one folder, without partitions, and nothing else' });
  }
  return parts;
}

/**
 * Opens a Parquet file, or a folder of them as Spark writes it. Values are read as the text that a CSV would have: null is an
 * empty cell, true and false are 1 and 0, a list is a bag (`id|id`), of pairs or a map too (`id:weight|id:weight`).
 * @param wanted the columns that are read; others are empty cells
 * @throws UserError (data) for a file that is none, and parts with different columns
 */
export async function openParquet(path: string, wanted: readonly string[]): Promise<CellFile> {
  const names = (await stat(path)).isDirectory() ? await parquetParts(path) : [''];
  const parts: Part[] = [];
  for (const name of names) parts.push(await openPart(name === '' ? path : join(path, name)));
  const [first] = parts as [Part];
  const header = first.columns;
  for (const part of parts) {
    const lacks = header.find((column) => !part.columns.includes(column));
    if (lacks !== undefined) throw userError('data', { where: part.path, key: `column ${quoted(lacks)}`, message: `is not there, while ${first.path} has it` });
  }
  const numRows = parts.reduce((sum, { metadata }) => sum + Number(metadata.num_rows), 0);
  const columns = header.filter((column) => wanted.includes(column));

  async function* pieces(): AsyncGenerator<Piece> {
    let done = 0;
    for (const part of parts) {
      let rowStart = 0;
      for (const { num_rows } of part.metadata.row_groups) {
        const rowEnd = rowStart + Number(num_rows);
        const data = await onParquet(part.path, () => readGroup(part, columns, rowStart, rowEnd));
        for (let begin = rowStart; begin < rowEnd; begin += SLICE_ROWS) {
          const end = Math.min(rowEnd, begin + SLICE_ROWS);
          const rows = Array.from({ length: end - begin }, (_, i) => header.map((column) => textOf(data.get(column)?.[begin - rowStart + i])));
          done += end - begin;
          yield { rows, lines: Array.from({ length: end - begin }, (_, i) => begin + i + 1), path: part.path, progress: done / numRows };
        }
        rowStart = rowEnd;
      }
    }
  }
  let known: Fingerprint | undefined;
  return {
    path,
    header,
    pieces,
    stats: () => statsOf(path, names),
    fingerprint: async (onBytes) => (known ??= await hashFiles(path, names, onBytes)),
  };
}

async function openPart(path: string): Promise<Part> {
  return onParquet(path, async () => {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    return { path, file, metadata, columns: parquetSchema(metadata).children.map(({ element }) => element.name) };
  });
}

/** The values of a row group by column, in the order of its rows. */
async function readGroup({ file, metadata }: Part, columns: readonly string[], rowStart: number, rowEnd: number): Promise<ReadonlyMap<string, ArrayLike<unknown>>> {
  const chunks = new Map<string, { start: number; data: ArrayLike<unknown> }[]>();
  await parquetRead({
    file,
    metadata,
    columns: [...columns],
    rowStart,
    rowEnd,
    compressors,
    onChunk: ({ columnName, columnData, rowStart: start }) => {
      chunks.set(columnName, [...(chunks.get(columnName) ?? []), { start, data: columnData }]);
    },
  });
  return new Map(
    columns.map((column) => {
      const own = (chunks.get(column) ?? []).sort((a, b) => a.start - b.start);
      const values = own.length === 1 ? own[0]!.data : own.flatMap(({ data }) => Array.from(data));
      if (values.length !== rowEnd - rowStart) throw new Error(`column ${column} has ${values.length} of ${rowEnd - rowStart} rows`);
      return [column, values];
    }),
  );
}

/** A value as the cell of a CSV. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(itemOf).join('|');
  if (typeof value === 'object' && !ArrayBuffer.isView(value)) return Object.entries(value).map(itemOf).join('|');
  return ArrayBuffer.isView(value) ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8') : '';
}

/** An item of a list: an id, or the pair of an id and its weight. */
function itemOf(item: unknown): string {
  if (typeof item !== 'object' || item === null) return textOf(item);
  const pair = Array.isArray(item) ? item : Object.values(item);
  return pair.map(textOf).join(':');
}

/** Turns what the reader throws about a file into an error with its place. */
async function onParquet<Result>(path: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw userError('data', { where: path, message: `cannot be read as Parquet (${error instanceof Error ? error.message : String(error)})`, fix: 'is it whole?' }, error);
  }
}
