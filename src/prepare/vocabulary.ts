import { streamKey } from '../random.js';
import { createColumnReader, readAbout } from './column-file.js';
import type { FieldPlan } from './fields.js';
import { createIdTable, type IdTable } from './id-table.js';
import type { ParsedSplit } from './parse.js';
import type { Pool } from './pool.js';
import type { Progress } from './progress.js';
import { sessionHash } from './session-table.js';
import { unfinished, type Work } from './work.js';

/** Which session's rows belong where, and how many there are; all arrays are shared. */
export interface Assignment {
  /** By session 1 where it belongs to valid. */
  readonly isValid: Uint8Array;
  /** By session its rows. */
  readonly rows: Uint32Array;
  /** By chunk of the skeleton its rows of each split. */
  readonly byChunk: { readonly train: readonly number[]; readonly valid: readonly number[] };
}

/**
 * Says which sessions are of valid, by a seeded hash of their index, so that no session is in both; and counts rows.
 * @param validShare share of the sessions, from 0
 */
export async function assignSessions({ sessions, skeleton }: ParsedSplit, seed: number, validShare: number, pool: Pool): Promise<Assignment> {
  const isValid = new Uint8Array(new SharedArrayBuffer(sessions.count));
  const rows = new Uint32Array(new SharedArrayBuffer(4 * sessions.count));
  const key = streamKey(seed, 'valid');
  for (let s = 0; s < sessions.count; s++) isValid[s] = sessionHash(sessions, s, key) < validShare * 0x100000000 ? 1 : 0;
  const [byChunk] = await pool.run('countRows', [{ files: skeleton.map(({ path }) => path), isValid, rows }]);
  return { isValid, rows, byChunk: byChunk! };
}

/** A field's vocabulary: what the prepared ids mean. */
export interface Vocabulary {
  /** Place i holds the raw id that became i; place 0, the unknown, -1. */
  readonly ids: Float64Array;
  readonly table: IdTable;
  /** Different raw ids in train. */
  readonly distinct: number;
}

/**
 * The vocabulary of every field, from the rows of train alone.
 * @param work how much all of it counts for progress
 */
export async function fitVocabularies(work: Work, fields: readonly FieldPlan[], train: ParsedSplit, { rows, isValid }: Assignment, pool: Pool, progress: Progress, effort: number): Promise<Vocabulary[]> {
  const pathOf = ({ name }: FieldPlan): string => work.path('vocabulary', `${name}.columns`);
  const todo = unfinished(fields, pathOf);
  progress.phase = 'counting ids';
  progress.skip((effort * (fields.length - todo.length)) / fields.length);
  const files = { commonFiles: train.common.map(({ path }) => path), skeletonFiles: train.skeleton.map(({ path }) => path) };
  await pool.run('countIds', todo.map((field) => ({ field, target: pathOf(field), ...files, rows, isValid })), () => progress.add(effort / fields.length));
  const vocabularies = [];
  for (const field of fields) {
    // Written by the job.
    const ids = createColumnReader().read(pathOf(field), ['rawIds']).get('rawIds') as Float64Array;
    const { distinct } = readAbout(pathOf(field)) as { distinct: number };
    vocabularies.push({ ids, table: createIdTable(ids), distinct });
  }
  return vocabularies;
}
