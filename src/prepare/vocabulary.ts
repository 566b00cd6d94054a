import type { TensorData } from '../io/safetensors.js';
import { isValidRow, NO_ROWS, type Assignment, type ValidRows } from './assign-rows.js';
import { createColumnReader, readAbout, writeColumns } from '../io/column-file.js';
import { missingId } from './feature-columns.js';
import type { FieldPlan } from './fields.js';
import { createIdCounter, createIdTable, type IdCounter, type IdTable } from '../features/vocabulary/id-table.js';
import type { Parsed, ParsedSplit } from './parse.js';
import type { Job, Task } from '../system/job-pool.js';
import type { Stages } from './stage.js';

/** Vocabulary of a field. */
export interface Vocabulary {
  /** Raw id of each index; -1 at index 0, the OOV id. Ids of a field that it shares them with come first. */
  readonly ids: Float64Array;
  readonly table: IdTable;
  /** Number of distinct raw ids in the training set. */
  readonly distinct: number;
}

/**
 * Builds the vocabulary of every field from training rows, optionally with validation rows.
 * @param units effort of all fields
 */
export async function fitVocabularies(
  stages: Stages,
  train: ParsedSplit,
  { rows, trainRows, valid }: Assignment,
  countsValid: boolean,
  units: number,
): Promise<Vocabulary[]> {
  const tasks = stages.fields.map((field): CountTask => ({
    target: stages.work.path('vocabulary', `${field.name}.columns`),
    field,
    commonFiles: listFiles(field.name, train.common),
    skeletonFiles: listFiles(field.name, train.skeleton),
    ...(countsValid ? { rows, excluded: NO_ROWS } : { rows: trainRows, excluded: valid }),
  }));
  // Bags first, since they take longest.
  const inOrder = [...tasks].sort((a, b) => Number(b.field.isBag) - Number(a.field.isBag));
  await stages.run(COUNT, inOrder, { phase: 'counting ids', units: tasks.map(() => units / tasks.length) });
  // Both were written by the job.
  const own = tasks.map(({ target }) => createColumnReader().read(target).get('rawIds') as Float64Array);
  return tasks.map(({ target, field: { sharesIdsWith } }, f) => {
    const first = stages.fields.findIndex(({ name }) => name === sharesIdsWith);
    const ids = first === -1 ? own[f]! : appendIds(own[first]!, own[f]!);
    const { distinct } = readAbout(target) as { distinct: number };
    return { ids, table: createIdTable(ids), distinct };
  });
}

/** Returns ids, followed by others that are not among them; there may be millions. */
export function appendIds(ids: Float64Array, others: Float64Array): Float64Array {
  const known = new Set(ids);
  const added = others.filter((id) => !known.has(id));
  const all = new Float64Array(ids.length + added.length);
  all.set(ids);
  all.set(added, ids.length);
  return all;
}

/** Returns the chunks in which a field occurs. */
function listFiles(field: string, chunks: readonly Parsed[]): FieldFile[] {
  let first = 0;
  return chunks.flatMap(({ path, about }) => {
    const file = { path, first };
    first += about.rows;
    return about.fields.includes(field) ? [file] : [];
  });
}

/** A chunk in which a field occurs. */
interface FieldFile {
  readonly path: string;
  /** Index of its first row over all chunks. */
  readonly first: number;
}

/** Counts the ids of a field over the training rows, optionally with the validation rows. */
interface CountTask extends Task {
  readonly field: FieldPlan;
  /** Chunks of common features, with one session per row. */
  readonly commonFiles: readonly FieldFile[];
  readonly skeletonFiles: readonly FieldFile[];
  /** Number of counted rows per session. */
  readonly rows: Uint32Array;
  readonly excluded: ValidRows;
}

/** Counts ids in threads. */
export const COUNT: Job<CountTask> = { name: 'count', run: countIds };

/** Reused for every chunk of a thread, since the first touch of a page is expensive. */
const reader = createColumnReader();
let times = new Uint32Array(0);

/** Placeholder for raw ids without an index. */
const UNKNOWN = -1;

/**
 * Writes the vocabulary of a field as `rawIds` F64: the raw id of each index, by descending count; index 0 is the OOV
 * id. A session's values count once per row without a value of its own.
 * @throws UserError (disk)
 */
function countIds({ target, field, commonFiles, skeletonFiles, rows, excluded }: CountTask): void {
  const counter = createIdCounter();
  // Rows per session that use the session's values.
  const sessionTimes = rows.slice();
  const { name, isBag } = field;
  const names = isBag ? [`${name}.offsets`, `${name}.ids`] : [name];
  for (const { path, first } of skeletonFiles) {
    const columns = reader.read(path, [...names, 'session']);
    const ids = columns.get(names.at(-1)!)!;
    const offsets = columns.get(`${name}.offsets`);
    const missing = missingId(ids);
    const sessions = columns.get('session')!;
    if (times.length < sessions.length) times = new Uint32Array(sessions.length);
    for (let row = 0; row < sessions.length; row++) {
      const hasAny = offsets === undefined ? ids[row] !== missing : offsets[row] !== offsets[row + 1];
      const counts = hasAny && !isValidRow(excluded, sessions[row]!, first + row);
      times[row] = counts ? 1 : 0;
      if (counts) sessionTimes[sessions[row]!]!--;
    }
    countColumn(counter, ids, offsets, times);
  }
  for (const { path, first } of commonFiles) {
    const columns = reader.read(path, names);
    countColumn(counter, columns.get(names.at(-1)!)!, columns.get(`${name}.offsets`), sessionTimes.subarray(first));
  }
  const frequent = counter.frequent(field.minCount);
  const ids = new Float64Array(frequent.length + 1);
  ids[0] = UNKNOWN;
  ids.set(frequent, 1);
  writeColumns(target, [['rawIds', ids]], { distinct: counter.distinct });
}

/** Counts the ids of each row with a multiplicity. */
function countColumn(counter: IdCounter, ids: TensorData, offsets: TensorData | undefined, times: Uint32Array): void {
  if (offsets === undefined) {
    const missing = missingId(ids);
    for (let row = 0; row < ids.length; row++)
      if (times[row]! > 0 && ids[row] !== missing) counter.add(ids[row]!, times[row]!);
    return;
  }
  for (let row = 0, i = 0; row < offsets.length - 1; row++) {
    const end = offsets[row + 1]!;
    if (times[row]! > 0) for (; i < end; i++) counter.add(ids[i]!, times[row]!);
    i = end;
  }
}
