import { idOf, indexTexts, type TextTable } from '../features/vocabulary/text-table.js';
import { createStringPool, type StringPool } from '../features/vocabulary/string-pool.js';
import { mix } from '../core/random.js';

/** Finds sessions by the index of their common features, whatever bytes that is; a session takes 32 to 44 bytes. */
export interface SessionTable extends TextTable {
  readonly count: number;
}

/**
 * The table of all sessions, numbered in the order of the parts.
 * @param parts the indices of the sessions of a file each
 * @returns also how many of them have an index that came before; it stands for the first of them
 */
export function createSessionTable(parts: readonly StringPool[]): { table: SessionTable; repeated: number } {
  const count = parts.reduce((sum, { offsets }) => sum + offsets.length - 1, 0);
  const texts = createStringPool(
    count,
    parts.reduce((sum, { bytes }) => sum + bytes.length, 0),
  );
  let session = 0;
  let at = 0;
  for (const { offsets, bytes } of parts) {
    texts.bytes.set(bytes, at);
    for (let i = 1; i < offsets.length; i++) texts.offsets[++session] = at + offsets[i]!;
    at += bytes.length;
  }
  const { table, repeated } = indexTexts(texts);
  return { table: { ...table, count }, repeated };
}

/** The number of the session with this index; -1 where there is none. */
export function findSession(table: SessionTable, bytes: Uint8Array, begin: number, end: number): number {
  return idOf(table, bytes, begin, end) - 1;
}

/** A number that depends on a seed and a session's index alone, uniform on 0 … 2^32 - 1 (FNV-1a, finished by `mix`). */
export function sessionHash({ offsets, bytes }: SessionTable, session: number, key: number): number {
  let hash = 0x811c9dc5;
  for (let i = offsets[session]!; i < offsets[session + 1]!; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return mix(key ^ mix(hash));
}
