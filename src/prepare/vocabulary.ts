import { createColumnReader, isWhole, readAbout } from './column-file.js';
import type { FieldPlan } from './fields.js';
import { createIdTable, type IdTable } from './id-table.js';
import type { FieldFile } from './jobs/count-ids.js';
import type { Parsed, ParsedSplit } from './parse.js';
import type { Pool } from './pool.js';
import type { Progress } from './progress.js';
import { NO_ROWS, type ValidRows } from './valid-rows.js';
import { unfinished, type Work } from './work.js';

/** Row counts of the splits; all arrays are shared. */
export interface Assignment {
  readonly valid: ValidRows;
  /** Rows per session, in total and for training. */
  readonly rows: Uint32Array;
  readonly trainRows: Uint32Array;
  /** Rows per split, by chunk of the skeleton. */
  readonly byChunk: { readonly train: readonly number[]; readonly valid: readonly number[] };
}

/** Counts the rows of each session, and the training and validation rows of each chunk. */
export async function assignRows(
  { sessions, skeleton }: ParsedSplit,
  valid: ValidRows,
  pool: Pool,
): Promise<Assignment> {
  const counts = (): Uint32Array => new Uint32Array(new SharedArrayBuffer(4 * sessions.count));
  const [rows, trainRows] = [counts(), counts()];
  const [byChunk] = await pool.run('countRows', [{ files: skeleton.map(({ path }) => path), valid, rows, trainRows }]);
  return { valid, rows, trainRows, byChunk: byChunk! };
}

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
 * @param effort its total amount of work, for progress
 */
export async function fitVocabularies(
  work: Work,
  fields: readonly FieldPlan[],
  train: ParsedSplit,
  { rows, trainRows, valid }: Assignment,
  countsValid: boolean,
  pool: Pool,
  progress: Progress,
  effort: number,
): Promise<Vocabulary[]> {
  const vocabularyPath = ({ name }: FieldPlan): string => work.path('vocabulary', `${name}.columns`);
  // Bags first, since they take longest.
  const todo = unfinished(
    [...fields.filter(({ isBag }) => isBag), ...fields.filter(({ isBag }) => !isBag)],
    (field) => isWhole(vocabularyPath(field)),
    work,
  );
  progress.phase = 'counting ids';
  progress.skip((effort * (fields.length - todo.length)) / fields.length);
  const counted = countsValid ? { rows, left: NO_ROWS } : { rows: trainRows, left: valid };
  await pool.run(
    'countIds',
    todo.map((field) => ({
      field,
      target: vocabularyPath(field),
      commonFiles: listFiles(field, train.common),
      skeletonFiles: listFiles(field, train.skeleton),
      ...counted,
    })),
    () => progress.add(effort / fields.length),
  );
  const vocabularies = [];
  for (const field of fields) {
    // Written by the job.
    const ids = createColumnReader().read(vocabularyPath(field), ['rawIds']).get('rawIds') as Float64Array;
    const { distinct } = readAbout(vocabularyPath(field)) as { distinct: number };
    vocabularies.push({ ids, table: createIdTable(ids), distinct });
  }
  return vocabularies;
}

/** Returns the chunks in which a field occurs. */
function listFiles({ name }: FieldPlan, chunks: readonly Parsed[]): FieldFile[] {
  let first = 0;
  return chunks.flatMap(({ path, about }) => {
    const file = { path, first };
    first += about.rows;
    return about.fields.includes(name) ? [file] : [];
  });
}
