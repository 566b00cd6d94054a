import { open, type FileHandle } from 'node:fs/promises';
import { parquetSchema, type ColumnMetaData, type FileMetaData, type RowGroup } from 'hyparquet';
import { quoted, systemCode, UserError, userError, type Problem } from '../../../core/errors.js';
import type { Chunk } from '../../../chunks/chunk.js';
import { columnOf } from './column-of.js';
import type { CellFile, Piece } from '../cell-file.js';
import { hashFiles, statsOf, type Fingerprint } from '../fingerprint.js';
import { columnPlan, type ColumnPlan, type Leaf } from './column-plan.js';
import { readFooter } from './footer.js';
import { leafCursor, type LeafCursor } from './leaf-cursor.js';
import { pageMemory } from './page-memory.js';
import { sliceColumn, type SliceColumn } from './slice-column.js';

/** Rows of a piece at the most, and how many are read of each column in turn until a piece is full. */
const SLICE_ROWS = 1 << 12;
const MIN_ROWS = 1 << 6;
const MAX_ROWS = 1 << 8;
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
 * Opens a Parquet file. A value is the text that DuckDB's CSV export gives for it, null an empty cell; a list is a bag,
 * of pairs or a
 * map too, whose items are never joined and split again.
 * @param wanted the columns that are read; others are empty cells
 * @throws UserError (data) for a file that is none, and for columns that have no reading
 */
export async function openParquet(path: string, wanted: readonly string[]): Promise<CellFile> {
  const part = await openPart(path, wanted);
  const { metadata, header } = part;
  const numRows = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);

  async function* pieces(): AsyncGenerator<Piece> {
    let done = 0;
    const file = await open(path, 'r');
    try {
      for (const [g, group] of metadata.row_groups.entries()) {
        for await (const piece of groupPieces(file, part, { group, number: g + 1 })) {
          done += piece.rows;
          yield { ...piece, progress: done / numRows };
        }
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

/** A row group, and where it is in the file. */
interface NumberedGroup {
  readonly group: RowGroup;
  /** From 1 on. */
  readonly number: number;
}

/** A column of a row group on its way to cells. */
interface GroupColumn {
  readonly name: string;
  readonly cursors: readonly LeafCursor[];
  readonly cells: SliceColumn;
}

/** The rows of a row group, a few thousand at a time, fewer where they are large. */
async function* groupPieces(
  file: FileHandle,
  part: Part,
  { group, number }: NumberedGroup,
): AsyncGenerator<Chunk & { readonly progress: number }> {
  const { path, plans } = part;
  const memory = pageMemory(file, (await file.stat()).size, plans.flatMap(leavesOf).length);
  const columns = plans.map((plan): GroupColumn => {
    const cursors = leavesOf(plan).map((leaf) => leafCursor(chunkOf(path, group, leaf), leaf, memory));
    return { name: plan.name, cursors, cells: sliceColumn(plan, cursors, SLICE_ROWS) };
  });
  const append = (column: GroupColumn, count: number): Promise<number> =>
    inColumn(path, number, column, () => column.cells.append(count));
  // How many rows make a piece is for the others to say; these are then read in one go.
  const even = columns.filter(({ cells }) => cells.rowBytes !== undefined);
  const uneven = columns.filter(({ cells }) => cells.rowBytes === undefined);
  const evenBytes = even.reduce((sum, { cells }) => sum + cells.rowBytes!, 0);
  const rows = Number(group.num_rows);
  for (let begin = 0, end = 0; begin < rows; begin = end) {
    const last = Math.min(rows, begin + SLICE_ROWS);
    if (uneven.length === 0)
      end = Math.min(last, begin + Math.max(MIN_ROWS, Math.floor(SLICE_BYTES / Math.max(1, evenBytes))));
    for (let bytes = 0, step = MIN_ROWS; uneven.length > 0 && end < last && bytes < SLICE_BYTES;) {
      step = Math.min(step, last - end);
      let stepBytes = evenBytes * step;
      for (const column of uneven) stepBytes += await append(column, step);
      end += step;
      bytes += stepBytes;
      // As many as may fill half of the room that is left, if they are like these.
      step = Math.max(MIN_ROWS, Math.min(MAX_ROWS, Math.floor((step * (SLICE_BYTES - bytes)) / (2 * stepBytes))));
    }
    for (const column of even) await append(column, end - begin);
    const count = end - begin;
    const taken = new Map(columns.map(({ name, cells }) => [name, columnOf(cells.take(), count)]));
    yield {
      rows: count,
      numLines: count,
      columns: taken,
      cellsOf: (row) => part.header.map((name) => taken.get(name)?.text(row) ?? ''),
      progress: 0,
    };
  }
  for (const column of columns) await inColumn(path, number, column, () => checkEnd(column, rows));
}

/** Checks that the entries of a column end with the rows of its group. */
async function checkEnd({ cursors }: GroupColumn, rows: number): Promise<void> {
  for (const cursor of cursors)
    if (cursor.at < cursor.count || (await cursor.refill()))
      throw new Error(`it has more than the ${rows} rows of its row group`);
}

/**
 * Runs a read of a column.
 * @throws UserError (data) with the file, the column, the row group and the page, for bytes that are damaged
 */
async function inColumn<Result>(
  path: string,
  group: number,
  { name, cursors }: GroupColumn,
  read: () => Promise<Result>,
): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UserError || systemCode(error) !== undefined) throw error;
    const page = Math.max(...cursors.map((cursor) => cursor.page));
    const place = page === 0 ? `row group ${group}` : `row group ${group}, page ${page}`;
    throw userError(
      'data',
      {
        where: path,
        key: `column ${quoted(name)}`,
        message: `cannot be read as Parquet in ${place}: ${reasonOf(error)}`,
        fix: DAMAGED_FIX,
      },
      error,
    );
  }
}

function leavesOf(plan: ColumnPlan): readonly Leaf[] {
  if (plan.kind === 'cell') return [plan.leaf];
  return plan.weights === undefined ? [plan.ids] : [plan.ids, plan.weights];
}

/**
 * Finds where a row group keeps the values of a leaf.
 * @throws UserError (data) for a column that is encrypted or in another file
 */
function chunkOf(where: string, { columns }: RowGroup, { path }: Leaf): ColumnMetaData {
  const chunk = columns.find(
    ({ meta_data: data }) =>
      data?.path_in_schema.length === path.length && path.every((name, i) => data.path_in_schema[i] === name),
  );
  const key = `column ${quoted(path.join('.'))}`;
  if (
    chunk?.crypto_metadata !== undefined ||
    (chunk === undefined && columns.some(({ crypto_metadata: crypto }) => crypto !== undefined))
  ) {
    throw userError('data', {
      where,
      key,
      message: 'is encrypted',
      fix: 'decrypt the file with the tool that has its keys, and write it unencrypted',
    });
  }
  if (chunk?.meta_data === undefined)
    throw userError('data', { where, key, message: 'is missing from some row groups', fix: DAMAGED_FIX });
  if (chunk.file_path !== undefined)
    throw userError('data', {
      where,
      key,
      message: `is stored in another file, ${quoted(chunk.file_path)}`,
      fix: 'write all columns to one file',
    });
  return chunk.meta_data;
}

async function openPart(path: string, wanted: readonly string[]): Promise<Part> {
  try {
    const metadata = await readFooter(path);
    const { children } = parquetSchema(metadata);
    const header = children.map(({ element }) => element.name);
    const problems: Problem[] = [];
    const plans: ColumnPlan[] = [];
    for (const [i, name] of header.entries()) {
      const key = `column ${quoted(name)}`;
      if (header.indexOf(name) < i)
        problems.push({ where: path, key, message: 'is in the schema twice', fix: 'rename or remove one' });
      else if (wanted.includes(name)) {
        const plan = columnPlan(children[i]!);
        if ('fix' in plan)
          problems.push({
            where: path,
            key,
            message: `is ${plan.type}, which cannot be read as a value or a bag`,
            fix: plan.fix,
          });
        else plans.push(plan);
      }
    }
    if (problems.length > 0) throw new UserError('data', problems);
    return { path, metadata, header, plans };
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** What to do about bytes that are no Parquet. */
const DAMAGED_FIX = 'copy the file again, or rewrite it, for example with pyarrow';

/** Turns what is thrown about a file into an error with its place. */
function unreadable(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  return userError(
    'data',
    { where: path, message: `cannot be read as Parquet (${reasonOf(error)})`, fix: DAMAGED_FIX },
    error,
  );
}

function reasonOf(error: unknown): string {
  return systemCode(error) ?? (error instanceof Error ? error.message : String(error));
}
