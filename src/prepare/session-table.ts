import { mix } from '../random.js';

/**
 * Finds sessions by the index of their common features, whatever bytes that is. Its arrays are shared, so that all threads read one
 * table; a session takes about 35 bytes.
 */
export interface SessionTable {
  readonly count: number;
  /** By slot the number of a session plus one; 0 is free. */
  readonly slots: Int32Array;
  /** By session where its index begins; one place more. */
  readonly offsets: Uint32Array;
  readonly bytes: Uint8Array;
}

/** The indices of the sessions of one file, one after the other. */
export interface SessionKeys {
  readonly offsets: Uint32Array;
  readonly bytes: Uint8Array;
}

/**
 * The table of all sessions, numbered in the order of the parts.
 * @returns also how many of them have an index that came before; it stands for the first of them
 */
export function createSessionTable(parts: readonly SessionKeys[]): { table: SessionTable; repeated: number } {
  const count = parts.reduce((sum, part) => sum + part.offsets.length - 1, 0);
  const numBytes = parts.reduce((sum, part) => sum + part.bytes.length, 0);
  const slots = 2 ** Math.ceil(Math.log2(2 * count + 2));
  const table = {
    count,
    slots: new Int32Array(new SharedArrayBuffer(4 * slots)),
    offsets: new Uint32Array(new SharedArrayBuffer(4 * (count + 1))),
    bytes: new Uint8Array(new SharedArrayBuffer(numBytes)),
  };
  let session = 0;
  let at = 0;
  let repeated = 0;
  for (const { offsets, bytes } of parts) {
    table.bytes.set(bytes, at);
    for (let i = 0; i + 1 < offsets.length; i++, session++) {
      const begin = at + offsets[i]!;
      const end = at + offsets[i + 1]!;
      table.offsets[session + 1] = end;
      const slot = slotOf(table, table.bytes, begin, end);
      if (table.slots[slot] !== 0) repeated++;
      else table.slots[slot] = session + 1;
    }
    at += bytes.length;
  }
  return { table, repeated };
}

/** The number of the session with this index; -1 where there is none. */
export function findSession(table: SessionTable, bytes: Uint8Array, begin: number, end: number): number {
  return table.slots[slotOf(table, bytes, begin, end)]! - 1;
}

/** A number that depends on a seed and a session's index alone, uniform on 0 … 2^32 - 1. */
export function sessionHash({ offsets, bytes }: SessionTable, session: number, key: number): number {
  return mix(key ^ hashOf(bytes, offsets[session]!, offsets[session + 1]!));
}

/** The slot that holds the index, or the free one where it belongs. */
function slotOf({ slots, offsets, bytes: keys }: SessionTable, bytes: Uint8Array, begin: number, end: number): number {
  const mask = slots.length - 1;
  for (let slot = hashOf(bytes, begin, end) & mask; ; slot = (slot + 1) & mask) {
    const session = slots[slot]! - 1;
    if (session < 0) return slot;
    const keyAt = offsets[session]!;
    if (offsets[session + 1]! - keyAt !== end - begin) continue;
    let i = 0;
    while (i < end - begin && keys[keyAt + i] === bytes[begin + i]) i++;
    if (i === end - begin) return slot;
  }
}

function hashOf(bytes: Uint8Array, begin: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = begin; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return mix(hash);
}
