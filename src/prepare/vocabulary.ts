import type { Assignment } from './assign-rows.js';
import { NO_ROWS } from './assign-rows.js';
import { createColumnReader, readAbout } from './column-file.js';
import { createIdTable, type IdTable } from './id-table.js';
import type { CountIdsTask, FieldFile } from './jobs/count-ids.js';
import type { Parsed, ParsedSplit } from './parse.js';
import type { Stages } from './stage.js';

/** Vocabulary of a field. */
export interface Vocabulary {
  /** Raw id of each index; -1 at index 0, the OOV id. */
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
  const tasks = stages.fields.map((field): CountIdsTask => ({
    target: stages.work.path('vocabulary', `${field.name}.columns`),
    field,
    commonFiles: listFiles(field.name, train.common),
    skeletonFiles: listFiles(field.name, train.skeleton),
    ...(countsValid ? { rows, excluded: NO_ROWS } : { rows: trainRows, excluded: valid }),
  }));
  // Bags first, since they take longest.
  const inOrder = [...tasks].sort((a, b) => Number(b.field.isBag) - Number(a.field.isBag));
  await stages.run('countIds', inOrder, { phase: 'counting ids', units: tasks.map(() => units / tasks.length) });
  return tasks.map(({ target }) => {
    // Both were written by the job.
    const ids = createColumnReader().read(target).get('rawIds') as Float64Array;
    const { distinct } = readAbout(target) as { distinct: number };
    return { ids, table: createIdTable(ids), distinct };
  });
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
