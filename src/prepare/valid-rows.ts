import { mix, streamKey } from '../core/random.js';
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
 * Samples sessions by a seeded hash of their index, so that no session is in both sets. @param share their fraction,
 * from 0
 */
export function wholeSessions(sessions: SessionTable, seed: number, share: number): ValidRows {
  const chosen = new Uint8Array(new SharedArrayBuffer(sessions.count));
  const key = streamKey(seed, 'valid');
  for (let s = 0; s < sessions.count; s++) chosen[s] = sessionHash(sessions, s, key) < share * 0x100000000 ? 1 : 0;
  return { sessions: chosen };
}

/** Samples rows by a seeded hash of their index. @param share their fraction, from 0 */
export function singleRows(seed: number, share: number): ValidRows {
  return { single: { key: streamKey(seed, 'valid rows'), limit: share * 0x100000000 } };
}

/**
 * Returns whether a row is a validation row.
 * @param session its session number
 * @param row its index among the usable skeleton rows
 */
export function isOfValid({ sessions, single }: ValidRows, session: number, row: number): boolean {
  return sessions === undefined
    ? single !== undefined && mix(single.key + row) < single.limit
    : sessions[session] === 1;
}
