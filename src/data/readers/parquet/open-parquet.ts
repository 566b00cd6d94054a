import { closeSync, openSync } from 'node:fs';
import { parquetSchema, type ColumnMetaData, type RowGroup, type SchemaTree } from 'hyparquet';
import { sliceChunk, type Chunk, type Place } from '../../../chunks/chunk.js';
import { withFile } from '../../../io/read-sync.js';
import { quoted, systemCode, UserError, userError, type Problem } from '../../../core/errors.js';
import type { CellFile, ColumnType, Piece } from '../cell-file.js';
import { changedBefore, type Position } from '../read-cursor.js';
import { hashFiles, readFileStats, type Fingerprint } from '../fingerprint.js';
import { computeCheck } from '../text-place.js';
import { columnPlan, listMembers, memberPlan, valueSchema, type ColumnPlan, type Leaf } from './column-plan.js';
import { readEnd, readFooter } from './footer.js';
import { GroupColumn } from './group-column.js';
import { PageMemory } from './page-memory.js';

/** Maximum rows of a slice. */
const SLICE_ROWS = 1 << 12;
/** Bytes of values of a slice, if its rows are as large as those before. */
const SLICE_BYTES = 1 << 22;
/** Minimum rows of a slice, unless its row group has fewer, and maximum growth of the next one. */
const [MIN_ROWS, MAX_GROWTH] = [1 << 6, 8];
/** Number of last bytes that detect another file. */
const END_BYTES = 1 << 12;
const DAMAGED_FIX = 'copy the file again, or rewrite it, for example with pyarrow';

/**
 * Opens a Parquet file as chunks of columns. A row has its number as line. A value has the text of DuckDB's CSV export;
 * null is empty. Lists, lists of pairs and maps are lists, and so are the members of lists of structs: `clicks.item`.
 * @param wanted columns to read
 * @throws UserError (data) for a file that is not Parquet, and for columns whose type is not supported
 */
export function openParquet(path: string, wanted: readonly string[]): CellFile {
  const { header, groups, plans, typeOf } = planFile(path, wanted);
  const numRows = groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  let content: Fingerprint | undefined;
  return {
    path,
    kind: 'Parquet',
    header,
    typeOf,
    // Other readers wait for their input.
    // eslint-disable-next-line @typescript-eslint/require-await
    async *pieces({ from } = {}): AsyncGenerator<Piece> {
      const skip = from?.offset ?? 0;
      let known: string | undefined;
      const check = (): string => (known ??= checkOfEnd(path));
      if (from !== undefined) checkPosition(path, numRows, from, check());
      let file: number | undefined;
      let done = 0;
      try {
        file = openSync(path, 'r');
        const memory = new PageMemory(file, plans.flatMap(({ leaves }) => leaves).length);
        const all = plans.map((plan) => new GroupColumn(plan, memory, SLICE_ROWS));
        const size = { rows: MIN_ROWS };
        for (const [g, group] of groups.entries()) {
          if (from !== undefined && done + Number(group.num_rows) <= skip) {
            done += Number(group.num_rows);
            continue;
          }
          for (const slice of groupSlices(path, all, group, g + 1, size)) {
            const begin = Math.max(done, skip);
            const { rows, columns } = begin > done ? rowsFrom(slice, begin - done) : slice;
            done += slice.rows;
            if (rows <= 0) continue;
            const cellsOf = (row: number): string[] => header.map((name) => columns.get(name)?.text(row) ?? '');
            const placeAfter = (count = rows): Place => ({ offset: begin + count, check: check() });
            yield { rows, numLines: rows, columns, cellsOf, placeAfter, progress: done / numRows };
          }
        }
      } catch (error) {
        throw unreadable(path, error);
      } finally {
        if (file !== undefined) closeSync(file);
      }
    },
    stats: () => Promise.resolve(readFileStats(path)),
    fingerprint: async (onBytes) => (content ??= await hashFiles(path, undefined, onBytes)),
  };
}

/** Returns the rows of a slice from `begin` on; none if it has fewer. */
function rowsFrom({ rows, columns }: Slice, begin: number): Slice {
  return sliceChunk({ rows, numLines: rows, columns, cellsOf: () => [] }, Math.min(begin, rows), rows);
}

/** @throws UserError (data) if the file is not the one that was read to the position */
function checkPosition(path: string, numRows: number, { offset, check }: Position, current: string): void {
  if (check !== current) throw changedBefore(path, 'its footer differs');
  if (offset > numRows) throw changedBefore(path, `it has ${numRows} rows, fewer than ${offset}`);
}

/** Returns a check of the last bytes of a file, with the offsets of its columns. */
function checkOfEnd(path: string): string {
  return computeCheck(withFile(path, (file) => readEnd(file, END_BYTES)));
}

function planFile(path: string, wanted: readonly string[]) {
  try {
    const metadata = readFooter(path);
    const { children } = parquetSchema(metadata);
    const columns = children.map(({ element }) => element.name);
    const members = children.flatMap((column) => wantedMembers(column, wanted, columns));
    const header = [...columns, ...members.map(({ name }) => name)];
    const planned = (i: number): ReturnType<typeof columnPlan> =>
      i < columns.length ? columnPlan(children[i]!) : memberPlan(members[i - columns.length]!.column, header[i]!);
    const problems: Problem[] = [];
    const plans: ColumnPlan[] = [];
    for (const [i, name] of header.entries()) {
      const place = { where: path, key: `column ${quoted(name)}` };
      const plan = wanted.includes(name) ? planned(i) : undefined;
      if (header.indexOf(name) < i)
        problems.push({ ...place, message: 'is in the schema twice', fix: 'rename or remove one' });
      else if (plan === undefined) continue;
      else if ('leaves' in plan) plans.push(plan);
      else {
        const message = `is ${plan.type}, which cannot be read as a value or a bag`;
        problems.push({ ...place, message, fix: plan.fix });
      }
    }
    if (problems.length > 0) throw new UserError('data', problems);
    const typeOf = (name: string): ColumnType => {
      const plan = planned(header.indexOf(name));
      return { name: plan.type, schema: 'leaves' in plan ? valueSchema(plan) : undefined };
    };
    return { header, groups: metadata.row_groups, plans, typeOf };
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Returns the members of a list of structs if one of them may be wanted; a column of the same name comes first. */
function wantedMembers(
  column: SchemaTree,
  wanted: readonly string[],
  columns: readonly string[],
): readonly { readonly name: string; readonly column: SchemaTree }[] {
  const others = wanted.filter((name) => !columns.includes(name));
  if (!others.some((name) => name.startsWith(`${column.element.name}.`))) return [];
  return listMembers(column).flatMap((name) => (columns.includes(name) ? [] : [{ name, column }]));
}

type Slice = Pick<Chunk, 'rows' | 'columns'>;

/**
 * Reads the slices of a row group; each is valid until the next.
 * @param size maximum rows of the next slice, updated after each
 */
function* groupSlices(
  path: string,
  columns: readonly GroupColumn[],
  group: RowGroup,
  number: number,
  size: { rows: number },
): Generator<Slice> {
  const inEach = <Result>(read: (column: GroupColumn) => Result): Result[] =>
    columns.map((column) => inColumn(path, number, column, () => read(column)));
  inEach((column) => column.open((leaf) => findChunk(path, group, leaf)));
  const numRows = Number(group.num_rows);
  for (let done = 0; done < numRows;) {
    const rows = Math.min(size.rows, numRows - done);
    const bytes = inEach((column) => column.append(rows)).reduce((sum, each) => sum + each, 1);
    done += rows;
    yield { rows, columns: new Map(columns.map((column) => [column.name, column.take()])) };
    const fitting = Math.floor((rows * SLICE_BYTES) / bytes);
    size.rows = Math.min(SLICE_ROWS, Math.max(MIN_ROWS, Math.min(MAX_GROWTH * size.rows, fitting)));
  }
  inEach((column) => {
    if (!column.isDone()) throw new Error(`it has more than the ${numRows} rows of its row group`);
  });
}

/**
 * Runs a read of a column.
 * @throws UserError (data) with the file, the column, the row group and the page, for bytes that are damaged
 */
function inColumn<Result>(path: string, group: number, column: GroupColumn, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (error instanceof UserError || systemCode(error) !== undefined) throw error;
    const { name, page } = column;
    const place = page === 0 ? `row group ${group}` : `row group ${group}, page ${page}`;
    const message = `cannot be read as Parquet in ${place}: ${reasonOf(error)}`;
    throw userError('data', { where: path, key: `column ${quoted(name)}`, message, fix: DAMAGED_FIX }, error);
  }
}

/**
 * Finds the values of a leaf in a row group.
 * @throws UserError (data) for a column that is encrypted or in another file
 */
function findChunk(path: string, { columns }: RowGroup, leaf: Leaf): ColumnMetaData {
  const name = leaf.path.join('.');
  const chunk = columns.find(
    ({ meta_data: data }) =>
      data?.path_in_schema.length === leaf.path.length && data.path_in_schema.every((part, i) => part === leaf.path[i]),
  );
  const problem = (message: string, fix: string): UserError =>
    userError('data', { where: path, key: `column ${quoted(name)}`, message, fix });
  const encrypted = chunk === undefined ? columns : [chunk];
  if (encrypted.some(({ crypto_metadata: crypto }) => crypto !== undefined))
    throw problem('is encrypted', 'decrypt the file with the tool that has its keys, and write it unencrypted');
  if (chunk?.meta_data === undefined) throw problem('is missing from some row groups', DAMAGED_FIX);
  if (chunk.file_path !== undefined)
    throw problem(`is stored in another file, ${quoted(chunk.file_path)}`, 'write all columns to one file');
  return chunk.meta_data;
}

/** Turns an error about a file into one with its path. */
function unreadable(where: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  return userError(
    'data',
    { where, message: `cannot be read as Parquet (${reasonOf(error)})`, fix: DAMAGED_FIX },
    error,
  );
}

function reasonOf(error: unknown): string {
  return systemCode(error) ?? (error instanceof Error ? error.message : String(error));
}
