import { createColumnReader, writeColumns, type Columns } from '../column-file.js';
import { missingOf } from '../feature-columns.js';
import type { FieldPlan } from '../fields.js';
import { createIdCounter, type IdCounter } from '../id-table.js';
import { isOfValid, type ValidRows } from '../valid-rows.js';

/** A field's ids are counted over the rows of train, or over those of valid too. */
export interface CountIdsTask {
  readonly field: FieldPlan;
  readonly target: string;
  /** Chunks of common features, in the order of the sessions. */
  readonly commonFiles: readonly string[];
  readonly skeletonFiles: readonly string[];
  /** By session the rows that count. */
  readonly rows: Uint32Array;
  /** Those that do not. */
  readonly left: ValidRows;
}

/** What stands for the raw ids that have no place. */
const UNKNOWN = -1;

/**
 * Writes the vocabulary of a field, `rawIds` F64: place i holds the raw id that becomes i, the most frequent first; place 0 is the
 * unknown. A session's values count once for each of its rows that has none of its own.
 * @throws UserError (disk)
 */
export async function countIds({ field, target, commonFiles, skeletonFiles, rows, left }: CountIdsTask): Promise<{ distinct: number; kept: number }> {
  const counter = createIdCounter();
  const reader = createColumnReader();
  // Rows of each session that take the session's values.
  const taking = rows.slice();
  const names = field.isBag ? [`${field.name}.offsets`, `${field.name}.ids`] : [field.name];
  let firstRow = 0;
  for (const file of skeletonFiles) {
    const columns = reader.read(file, [...names, 'session']);
    const sessions = columns.get('session') as Uint32Array;
    const first = firstRow;
    const counts = (row: number): boolean => !isOfValid(left, sessions[row]!, first + row);
    countColumn(counter, field, columns, (row) => Number(counts(row)), (row) => {
      if (counts(row)) taking[sessions[row]!]!--;
    });
    firstRow += sessions.length;
  }
  let session = 0;
  for (const file of commonFiles) {
    const columns = reader.read(file, [...names, 'keys.offsets']);
    const first = session;
    countColumn(counter, field, columns, (row) => taking[first + row]!);
    session += columns.get('keys.offsets')!.length - 1;
  }
  const frequent = counter.frequent(field.minCount);
  const ids = new Float64Array(frequent.length + 1);
  ids[0] = UNKNOWN;
  ids.set(frequent, 1);
  const about = { distinct: counter.distinct, kept: frequent.length };
  await writeColumns(target, new Map([['rawIds', ids]]), about);
  return about;
}

/** Counts the ids of rows as often as `times` says; tells of rows that have any. */
function countColumn(counter: IdCounter, { name, isBag }: FieldPlan, columns: Columns, times: (row: number) => number, onRow?: (row: number) => void): void {
  const ids = columns.get(isBag ? `${name}.ids` : name);
  if (ids === undefined) return;
  const offsets = columns.get(`${name}.offsets`);
  const rows = offsets === undefined ? ids.length : offsets.length - 1;
  const missing = missingOf(ids);
  for (let row = 0; row < rows; row++) {
    const begin = offsets === undefined ? row : offsets[row]!;
    const end = offsets === undefined ? row + 1 : offsets[row + 1]!;
    if (begin === end || (offsets === undefined && ids[begin] === missing)) continue;
    onRow?.(row);
    const count = times(row);
    if (count > 0) for (let i = begin; i < end; i++) counter.add(ids[i]!, count);
  }
}
