import { allocateLike } from '../../core/grown.js';
import { hasKey, putKey, removeKey, reserveKeys, type MutableKeyTable } from '../../core/key-table.js';
import type { StringPool } from './string-pool.js';
import { isVacant, type TextTable } from './text-table.js';

/**
 * Tokens with ids from 1 up to a capacity, which change while a model is served. In shared memory; only `changeTokens`
 * writes to it.
 */
export type TokenTable = Readonly<MutableKeyTable>;

/** A growing vocabulary for predictions alone, whose tokens are replaced while it is served. Plain data. */
export interface ServedTokens {
  /** Tokens at first, by their ids; they describe the rows of the table. */
  readonly first: StringPool;
  readonly table: TokenTable;
}

/** Returns whether what a field fitted is a vocabulary of a server, even from another thread. */
export function isServedTokens(fitted: unknown): fitted is ServedTokens {
  return typeof fitted === 'object' && fitted !== null && 'table' in fitted && 'first' in fitted;
}

/** Changes of tokens: first, `removed` lose theirs; then each id with a text gets it in place of its own. */
export interface TokenChanges {
  readonly removed: Uint32Array;
  /** Ids whose tokens were used. */
  readonly used: Uint32Array;
  /** Text of each id of `used`, empty for the one that it has: `bytes[offsets[i]]`…`bytes[offsets[i + 1]]`. */
  readonly texts: { readonly bytes: Uint8Array; readonly offsets: Uint32Array };
}

/**
 * Creates a table from all tokens, which has its texts and index.
 * @param capacity at least the number of ids
 */
export function createTokenTable({ bytes, offsets, index }: TextTable, capacity: number): TokenTable {
  const highest = offsets.length - 1;
  const allocate = (): Uint32Array => new Uint32Array(new SharedArrayBuffer(4 * capacity));
  const [begins, ends] = [allocate(), allocate()];
  let [numKeys, numUnused] = [0, bytes.length];
  for (let id = 1; id <= highest; id++) {
    if (isVacant({ bytes, offsets }, id)) continue;
    begins[id - 1] = offsets[id - 1]!;
    ends[id - 1] = offsets[id]!;
    numKeys++;
    numUnused -= offsets[id]! - offsets[id - 1]!;
  }
  return { bytes, begins, ends, index, numBytes: bytes.length, numUnused, numKeys, highest, firstFree: 0 };
}

/** Copies a token table, so that changes of the copy leave the original unchanged. */
export function copyTokenTable(table: TokenTable): TokenTable {
  const { bytes, begins, ends, index, numBytes, highest } = table;
  const copyFirst = <Data extends Uint8Array | Uint32Array | Int32Array>(data: Data, length: number): Data => {
    // Memory of unused ids is not written, so the system does not commit it.
    const copy = allocateLike(data, data.length);
    copy.set(data.subarray(0, length));
    return copy;
  };
  return {
    ...table,
    bytes: copyFirst(bytes, numBytes),
    begins: copyFirst(begins, highest),
    ends: copyFirst(ends, highest),
    index: copyFirst(index, index.length),
  };
}

/** Returns the maximum number of tokens of a table. */
export function tokenCapacity({ ends }: TokenTable): number {
  return ends.length;
}

/** Returns the bytes of a table. */
export function tokenTableBytes({ bytes, begins, ends, index }: TokenTable): number {
  return bytes.byteLength + begins.byteLength + ends.byteLength + index.byteLength;
}

/**
 * Changes tokens in place, in time proportional to the changes (amortized); no other thread may read the table.
 * @returns the table, of which arrays may have been reallocated; undefined if the changes belong to another table, or
 * too large: its content is undefined then
 */
export function changeTokens(table: TokenTable, { removed, used, texts }: TokenChanges): TokenTable | undefined {
  const next = { ...table };
  const capacity = tokenCapacity(table);
  const { bytes, offsets } = texts;
  for (const ids of [removed, used]) if (ids.some((id) => id === 0 || id > capacity)) return undefined;
  for (const id of removed) if (hasKey(next, id)) removeKey(next, id);
  for (const [i, id] of used.entries()) if (offsets[i + 1]! > offsets[i]! && hasKey(next, id)) removeKey(next, id);
  if (!reserveKeys(next, used.length, bytes.length)) return undefined;
  for (const [i, id] of used.entries()) {
    const [begin, end] = [offsets[i]!, offsets[i + 1]!];
    if (end === begin ? !hasKey(next, id) : !putKey(next, id, bytes, begin, end)) return undefined;
  }
  return next;
}
