import { open, type FileHandle } from 'node:fs/promises';
import { parquetMetadataAsync, parquetSchema, type AsyncBuffer, type ColumnMetaData, type FileMetaData, type RowGroup } from 'hyparquet';
import { quoted, systemCode, UserError, userError, type Problem } from '../../../errors.js';
import type { CellFile, Piece } from '../cell-file.js';
import { hashFiles, statsOf, type Fingerprint } from '../fingerprint.js';
import { checkThrift } from './check-thrift.js';
import { columnPlan, type ColumnPlan, type Leaf } from './column-plan.js';
import { leafCursor } from './leaf-cursor.js';
import { pageMemory } from './page-memory.js';
import { sliceColumn } from './slice-column.js';

/** Rows of a piece at the most, and how many are read of each column in turn until a piece is full. */
const SLICE_ROWS = 1 << 12;
const LEAST_ROWS = 1 << 6;
const MOST_ROWS = 1 << 8;
/** Bytes of cells from which on a piece is full. */
const SLICE_BYTES = 1 << 22;

/** A Parquet file, and how the columns are read that are wanted of it. */
interface Part {
  readonly path: string;
  readonly metadata: FileMetaData;
  readonly header: readonly string[];
  readonly plans: readonly ColumnPlan[];
}

/**
 * Opens a Parquet file. A value is the text that DuckDB's CSV export gives for it, null an empty cell; a list is a bag, of pairs or a
 * map too, whose items are never joined and split again.
 * @param wanted the columns that are read; others are empty cells
 * @throws UserError (data) for a file that is none, and for columns that have no reading
 */
export async function openParquet(path: string, wanted: readonly string[]): Promise<CellFile> {
  const part = await openPart(path, wanted);
  const { metadata, header } = part;
  const numRows = Number(metadata.num_rows);

  async function* pieces(): AsyncGenerator<Piece> {
    let done = 0;
    const file = await open(path, 'r');
    try {
      let firstRow = 1;
      for (const group of metadata.row_groups) {
        for await (const piece of groupPieces(file, part, group, firstRow)) {
          done += piece.numRows;
          yield { ...piece, progress: done / numRows };
        }
        firstRow += Number(group.num_rows);
      }
    } catch (error) {
      throw unreadable(path, error);
    } finally {
      await file.close();
    }
  }
  let known: Fingerprint | undefined;
  return {
    path,
    kind: 'Parquet',
    header,
    pieces,
    stats: () => statsOf(path),
    fingerprint: async (onBytes) => (known ??= await hashFiles(path, undefined, onBytes)),
  };
}

/** The rows of a row group, a few thousand at a time, fewer where they are large. */
async function* groupPieces(file: FileHandle, { path, plans }: Part, group: RowGroup, firstRow: number): AsyncGenerator<Extract<Piece, { numRows: number }>> {
  const memory = pageMemory(file, (await file.stat()).size, plans.flatMap(leavesOf).length);
  const columns = plans.map((plan) => {
    const cursors = leavesOf(plan).map((leaf) => leafCursor(chunkOf(group, leaf), leaf, memory));
    return { name: plan.name, cursors, cells: sliceColumn(plan, cursors, SLICE_ROWS) };
  });
  // How many rows make a piece is for the others to say; these are then read in one go.
  const even = columns.filter(({ cells }) => cells.rowBytes !== undefined);
  const uneven = columns.filter(({ cells }) => cells.rowBytes === undefined);
  const evenBytes = even.reduce((sum, { cells }) => sum + cells.rowBytes!, 0);
  const rows = Number(group.num_rows);
  for (let begin = 0, end = 0; begin < rows; begin = end) {
    const last = Math.min(rows, begin + SLICE_ROWS);
    if (uneven.length === 0) end = Math.min(last, begin + Math.max(LEAST_ROWS, Math.floor(SLICE_BYTES / Math.max(1, evenBytes))));
    for (let bytes = 0, step = LEAST_ROWS; uneven.length > 0 && end < last && bytes < SLICE_BYTES; ) {
      step = Math.min(step, last - end);
      let stepBytes = evenBytes * step;
      for (const { cells } of uneven) stepBytes += await cells.append(step);
      end += step;
      bytes += stepBytes;
      // As many as may fill half of the room that is left, if they are like these.
      step = Math.max(LEAST_ROWS, Math.min(MOST_ROWS, Math.floor((step * (SLICE_BYTES - bytes)) / (2 * stepBytes))));
    }
    for (const { cells } of even) await cells.append(end - begin);
    yield { numRows: end - begin, firstRow: firstRow + begin, path, columns: new Map(columns.map(({ name, cells }) => [name, cells.take()])), progress: 0 };
  }
  for (const { name, cursors } of columns) {
    for (const cursor of cursors) if (cursor.at < cursor.count || (await cursor.refill())) throw new Error(`column ${name} has more than ${rows} rows in a row group`);
  }
}

function leavesOf(plan: ColumnPlan): readonly Leaf[] {
  if (plan.kind === 'cell') return [plan.leaf];
  return plan.weights === undefined ? [plan.ids] : [plan.ids, plan.weights];
}

/** Where a row group keeps the values of a leaf. */
function chunkOf({ columns }: RowGroup, { path }: Leaf): ColumnMetaData {
  const chunk = columns.find(({ meta_data: data }) => data?.path_in_schema.length === path.length && path.every((name, i) => data.path_in_schema[i] === name));
  if (chunk?.meta_data === undefined) throw new Error(`column ${path.join('.')} is not there, or encrypted`);
  if (chunk.file_path !== undefined) throw new Error(`column ${path.join('.')} is in another file`);
  return chunk.meta_data;
}

async function openPart(path: string, wanted: readonly string[]): Promise<Part> {
  try {
    const metadata = await readMetadata(path);
    const { children } = parquetSchema(metadata);
    const header = children.map(({ element }) => element.name);
    const problems: Problem[] = [];
    const plans: ColumnPlan[] = [];
    for (const [i, name] of header.entries()) {
      const key = `column ${quoted(name)}`;
      if (header.indexOf(name) < i) problems.push({ where: path, key, message: 'stands in the schema twice', fix: 'rename or remove one' });
      else if (wanted.includes(name)) {
        const plan = columnPlan(children[i]!);
        if ('fix' in plan) problems.push({ where: path, key, message: `is ${plan.type}, which cannot be read as a cell or a bag`, fix: plan.fix });
        else plans.push(plan);
      }
    }
    if (problems.length > 0) throw new UserError('data', problems);
    return { path, metadata, header, plans };
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function readMetadata(path: string): Promise<FileMetaData> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const buffer: AsyncBuffer = {
      byteLength: size,
      slice: async (begin, end = size) => {
        const bytes = new ArrayBuffer(end - begin);
        await file.read(new Uint8Array(bytes), 0, bytes.byteLength, begin);
        return bytes;
      },
    };
    const ending = Buffer.from(await buffer.slice(Math.max(0, size - 4), size)).toString('latin1');
    if (ending === 'PARE') throw userError('data', { where: path, message: 'is encrypted Parquet', fix: 'write it without encryption' });
    const length = new DataView(await buffer.slice(size - 8, size - 4)).getUint32(0, true);
    if (length > size - 12) throw new Error('its footer is longer than the file');
    checkThrift(new Uint8Array(await buffer.slice(size - 8 - length, size)), 0);
    return await parquetMetadataAsync(buffer, { geoparquet: false });
  } finally {
    await file.close();
  }
}

/** Turns what is thrown about a file into an error with its place. */
function unreadable(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const reason = systemCode(error) ?? (error instanceof Error ? error.message : String(error));
  return userError('data', { where: path, message: `cannot be read as Parquet (${reason})`, fix: 'is it whole?' }, error);
}
