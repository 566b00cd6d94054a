import { indexTexts, type TextTable } from '../features/vocabulary/text-table.js';
import { createStringPool, type StringPool } from '../features/vocabulary/string-pool.js';
import { findKey } from '../core/key-table.js';
import { mix } from '../core/random.js';

/** Finds sessions by the bytes of their index; 32 to 44 bytes per session. */
export interface SessionTable extends TextTable {
  readonly count: number;
}

/**
 * Creates the table of all sessions, numbered in part order.
 * @param parts session indices, per file
 * @returns the table, and the number of repeated indices, which refer to their first session
 */
export function createSessionTable(parts: readonly StringPool[]): { table: SessionTable; repeated: number } {
  const count = parts.reduce((sum, { offsets }) => sum + offsets.length - 1, 0);
  const texts = createStringPool(
    count,
    parts.reduce((sum, { bytes }) => sum + bytes.length, 0),
  );
  let session = 0;
  let offset = 0;
  for (const { offsets, bytes } of parts) {
    texts.bytes.set(bytes, offset);
    for (let i = 1; i < offsets.length; i++) texts.offsets[++session] = offset + offsets[i]!;
    offset += bytes.length;
  }
  const { table, repeated } = indexTexts(texts);
  return { table: { ...table, count }, repeated };
}

/** Returns the number of the session with this index; -1 if there is none. */
export function findSession(table: SessionTable, bytes: Uint8Array, begin: number, end: number): number {
  return findKey(table, bytes, begin, end) - 1;
}

/** Hashes a seed and a session's index to a uniform 32-bit integer (FNV-1a, finished by `mix`). */
export function sessionHash({ offsets, bytes }: SessionTable, session: number, key: number): number {
  let hash = 0x811c9dc5;
  for (let i = offsets[session]!; i < offsets[session + 1]!; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return mix(key ^ mix(hash));
}
