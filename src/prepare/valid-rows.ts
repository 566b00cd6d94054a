import { mix, streamKey } from '../core/random.js';
import { sessionHash, type SessionTable } from './session-table.js';

/** Which rows of the raw train are of valid: those of some sessions, or single ones. */
export interface ValidRows {
  /** By session 1 where all of its rows are; shared between threads. */
  readonly sessions?: Uint8Array;
  /** Of all rows those whose hash under `key` is below `limit`. */
  readonly single?: { readonly key: number; readonly limit: number };
}

/** No row at all. */
export const NO_ROWS: ValidRows = {};

/**
 * Chooses whole sessions by a seeded hash of their index, so that no session is in both. @param share of them, from 0
 */
export function wholeSessions(sessions: SessionTable, seed: number, share: number): ValidRows {
  const chosen = new Uint8Array(new SharedArrayBuffer(sessions.count));
  const key = streamKey(seed, 'valid');
  for (let s = 0; s < sessions.count; s++) chosen[s] = sessionHash(sessions, s, key) < share * 0x100000000 ? 1 : 0;
  return { sessions: chosen };
}

/** Chooses rows one by one, by a seeded hash of their place. @param share of them, from 0 */
export function singleRows(seed: number, share: number): ValidRows {
  return { single: { key: streamKey(seed, 'valid rows'), limit: share * 0x100000000 } };
}

/**
 * Whether a row is of valid.
 * @param session the number of its session
 * @param row its place among the usable rows of the skeleton, from 0
 */
export function isOfValid({ sessions, single }: ValidRows, session: number, row: number): boolean {
  return sessions === undefined
    ? single !== undefined && mix(single.key + row) < single.limit
    : sessions[session] === 1;
}
