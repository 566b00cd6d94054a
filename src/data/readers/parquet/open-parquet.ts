import { open, type FileHandle } from 'node:fs/promises';
import { parquetSchema, type ColumnMetaData, type FileMetaData, type RowGroup } from 'hyparquet';
import { quoted, systemCode, UserError, userError, type Problem } from '../../../core/errors.js';
import type { Column } from '../../../chunks/column.js';
import type { CellFile, Piece } from '../cell-file.js';
import { hashFiles, statsOf, type Fingerprint } from '../fingerprint.js';
import { columnPlan, type ColumnPlan, type Leaf } from './column-plan.js';
import { readFooter } from './footer.js';
import { pageMemory } from './page-memory.js';
import type { SliceColumn } from './leaf-column.js';
import { openColumn } from './slice-column.js';

/** Maximum rows of a slice. */
const SLICE_ROWS = 1 << 12;
/** Rows that are read of each column in turn until a slice is full. */
const MIN_ROWS = 1 << 6;
const MAX_ROWS = 1 << 10;
/** Bytes of values from which on a slice is full. */
const SLICE_BYTES = 1 << 22;

/** A Parquet file, and how its wanted columns are read. */
interface Part {
  readonly path: string;
  readonly metadata: FileMetaData;
  readonly header: readonly string[];
  readonly plans: readonly ColumnPlan[];
}

/** Consecutive rows of a file as columns, by name; valid until the next slice is requested. */
export interface ColumnSlice {
  readonly numRows: number;
  /** Number of the first row in the file, from 1 on. */
  readonly firstRow: number;
  readonly columns: ReadonlyMap<string, Column>;
}

/** A Parquet file that can be read from its first row. */
export interface ParquetFile {
  /** Names of all columns. */
  readonly header: readonly string[];
  readonly numRows: number;
  slices(): AsyncGenerator<ColumnSlice>;
}

/**
 * Opens a Parquet file. A value has the text of DuckDB's CSV export; null is empty. Lists, lists of pairs and maps are
 * lists.
 * @param wanted columns to read
 * @throws UserError (data) for a file that is not Parquet, and for columns whose type is not supported
 */
export async function openColumns(path: string, wanted: readonly string[]): Promise<ParquetFile> {
  const part = await openPart(path, wanted);
  const { row_groups: groups } = part.metadata;
  async function* slices(): AsyncGenerator<ColumnSlice> {
    const file = await open(path, 'r');
    try {
      let firstRow = 1;
      for (const [g, group] of groups.entries()) {
        yield* groupSlices(file, part, { group, number: g + 1, firstRow });
        firstRow += Number(group.num_rows);
      }
    } catch (error) {
      throw unreadable(path, error);
    } finally {
      await file.close();
    }
  }
  const numRows = groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  return { header: part.header, numRows, slices };
}

/** A row group, and where it is in the file. */
interface NumberedGroup {
  readonly group: RowGroup;
  /** From 1 on. */
  readonly number: number;
  readonly firstRow: number;
}

/** A column of a row group. */
interface GroupColumn {
  readonly name: string;
  readonly values: SliceColumn;
}

/** Reads the slices of a row group: a few thousand rows each, fewer if they are large. */
async function* groupSlices(
  file: FileHandle,
  part: Part,
  { group, number, firstRow }: NumberedGroup,
): AsyncGenerator<ColumnSlice> {
  const { path, plans } = part;
  const memory = pageMemory(file, (await file.stat()).size, plans.flatMap(leavesOf).length);
  const columns = plans.map((plan): GroupColumn => {
    const chunks = leavesOf(plan).map((leaf) => findChunk(path, group, leaf));
    return { name: plan.name, values: openColumn(plan, chunks, memory, SLICE_ROWS) };
  });
  const append = (column: GroupColumn, count: number): Promise<number> =>
    inColumn(path, number, column, () => column.values.append(count));
  const rows = Number(group.num_rows);
  for (let begin = 0; begin < rows;) {
    const numRows = await appendSlice(columns, Math.min(SLICE_ROWS, rows - begin), append);
    yield {
      numRows,
      firstRow: firstRow + begin,
      columns: new Map(columns.map(({ name, values }) => [name, values.take()])),
    };
    begin += numRows;
  }
  for (const column of columns)
    await inColumn(path, number, column, async () => {
      if (!(await column.values.isDone())) throw new Error(`it has more than the ${rows} rows of its row group`);
    });
}

/** Appends rows to all columns until the limit or the memory of a slice is reached; returns their number. */
async function appendSlice(
  columns: readonly GroupColumn[],
  limit: number,
  append: (column: GroupColumn, rows: number) => Promise<number>,
): Promise<number> {
  let step = Math.min(MIN_ROWS, limit);
  let stepBytes = 0;
  for (const column of columns) stepBytes += await append(column, step);
  // Columns of fixed width read the other rows at once, after the others have decided how many fit.
  const even = columns.filter(({ values }) => values.rowBytes !== undefined);
  const uneven = columns.filter(({ values }) => values.rowBytes === undefined);
  const evenBytes = even.reduce((sum, { values }) => sum + values.rowBytes!, 0);
  let rows = step;
  if (uneven.length === 0) rows = Math.min(limit, Math.max(MIN_ROWS, Math.floor(SLICE_BYTES / Math.max(1, evenBytes))));
  for (let bytes = stepBytes; uneven.length > 0 && rows < limit && bytes < SLICE_BYTES; bytes += stepBytes) {
    // About half of the remaining memory, if the next rows are like the last ones.
    const fitting = Math.floor((step * (SLICE_BYTES - bytes)) / (2 * Math.max(1, stepBytes)));
    step = Math.min(limit - rows, Math.max(MIN_ROWS, Math.min(MAX_ROWS, fitting)));
    stepBytes = evenBytes * step;
    for (const column of uneven) stepBytes += await append(column, step);
    rows += step;
  }
  for (const column of even) await append(column, rows - Math.min(MIN_ROWS, limit));
  return rows;
}

/**
 * Runs a read of a column.
 * @throws UserError (data) with the file, the column, the row group and the page, for bytes that are damaged
 */
async function inColumn<Result>(
  path: string,
  group: number,
  { name, values }: GroupColumn,
  read: () => Promise<Result>,
): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UserError || systemCode(error) !== undefined) throw error;
    const place = values.page === 0 ? `row group ${group}` : `row group ${group}, page ${values.page}`;
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
function findChunk(where: string, { columns }: RowGroup, { path }: Leaf): ColumnMetaData {
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

/**
 * Opens a Parquet file as chunks of columns. A row has its number as line.
 * @param wanted columns to read
 * @throws UserError (data) as `openColumns`
 */
export async function openParquet(path: string, wanted: readonly string[]): Promise<CellFile> {
  const { header, numRows, slices } = await openColumns(path, wanted);
  let known: Fingerprint | undefined;
  return {
    path,
    kind: 'Parquet',
    header,
    async *pieces(): AsyncGenerator<Piece> {
      for await (const { columns, firstRow, numRows: rows } of slices())
        yield {
          rows,
          numLines: rows,
          columns,
          cellsOf: (row) => header.map((name) => columns.get(name)?.text(row) ?? ''),
          progress: (firstRow - 1 + rows) / numRows,
        };
    },
    stats: () => Promise.resolve(statsOf(path)),
    fingerprint: async (onBytes) => (known ??= await hashFiles(path, undefined, onBytes)),
  };
}
