import { mix, streamKey } from '../core/random.js';
import { createColumnReader } from '../io/column-file.js';
import { sessionHash, type SessionTable } from './session-table.js';

/** The validation rows of the raw training set, by session or individually. */
export interface ValidRows {
  /** 1 per session whose rows are validation rows; shared between threads. */
  readonly sessions?: Uint8Array;
  /** All rows whose hash with `key` is below `limit`. */
  readonly single?: { readonly key: number; readonly limit: number };
}

export const NO_ROWS: ValidRows = {};

/**
 * Samples sessions by a seeded hash of their index, so that no session is in both sets.
 * @param share their fraction, from 0
 */
export function sampleSessions(sessions: SessionTable, seed: number, share: number): ValidRows {
  const chosen = new Uint8Array(new SharedArrayBuffer(sessions.count));
  const key = streamKey(seed, 'valid');
  for (let s = 0; s < sessions.count; s++) chosen[s] = sessionHash(sessions, s, key) < share * 0x100000000 ? 1 : 0;
  return { sessions: chosen };
}

/** Samples rows by a seeded hash of their index. @param share their fraction, from 0 */
export function sampleRows(seed: number, share: number): ValidRows {
  return { single: { key: streamKey(seed, 'valid rows'), limit: share * 0x100000000 } };
}

/**
 * Returns whether a row is a validation row.
 * @param session its session number
 * @param row its index among the usable skeleton rows
 */
export function isValidRow({ sessions, single }: ValidRows, session: number, row: number): boolean {
  return sessions === undefined
    ? single !== undefined && mix(single.key + row) < single.limit
    : sessions[session] === 1;
}

/** Row counts of the splits. */
export interface Assignment {
  readonly valid: ValidRows;
  /** Rows per session, in total and for training; shared between threads. */
  readonly rows: Uint32Array;
  readonly trainRows: Uint32Array;
  /** Rows per split, by chunk of the skeleton. */
  readonly byChunk: { readonly train: readonly number[]; readonly valid: readonly number[] };
}

/**
 * Counts the rows of each session, and the training and validation rows of each chunk.
 * @param skeleton its parsed chunks
 * @throws UserError (data)
 */
export function assignRows(
  skeleton: readonly { readonly path: string }[],
  numSessions: number,
  valid: ValidRows,
): Assignment {
  const rows = new Uint32Array(new SharedArrayBuffer(4 * numSessions));
  const trainRows = new Uint32Array(new SharedArrayBuffer(4 * numSessions));
  const byChunk: { train: number[]; valid: number[] } = { train: [], valid: [] };
  const reader = createColumnReader();
  let first = 0;
  for (const { path } of skeleton) {
    // Written as U32 by the job that parses.
    const rowSessions = reader.read(path, ['session']).get('session') as Uint32Array;
    let numValid = 0;
    for (let row = 0; row < rowSessions.length; row++) {
      const session = rowSessions[row]!;
      rows[session]!++;
      if (isValidRow(valid, session, first + row)) numValid++;
      else trainRows[session]!++;
    }
    byChunk.train.push(rowSessions.length - numValid);
    byChunk.valid.push(numValid);
    first += rowSessions.length;
  }
  return { valid, rows, trainRows, byChunk };
}
