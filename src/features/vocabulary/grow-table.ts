import { userError } from '../../errors.js';
import { createTextTable, idOf, slotsFor, type TextTable } from './text-table.js';
import { createTexts, MAX_BYTES } from './texts.js';

/** A table with more texts than it had. */
export interface GrownTable {
  /** The texts from before, which keep their ids, and behind them the new ones in their order. */
  readonly table: TextTable;
  /** Ids of texts from before that are not among those of now. */
  readonly forgotten: Uint32Array;
}

/**
 * The texts of two tables in one.
 * @param field whose texts they are, for people
 * @throws UserError (data) where there is no room for all of them
 */
export function growTable(before: TextTable, now: TextTable, field: string): GrownTable {
  const fresh = idsNotIn(before, now);
  const forgotten = idsNotIn(now, before);
  if (fresh.length === 0) return { table: before, forgotten };
  const numBefore = before.offsets.length - 1;
  let numBytes = before.bytes.length;
  for (const id of fresh) numBytes += now.offsets[id]! - now.offsets[id - 1]!;
  const numTexts = numBefore + fresh.length;
  if (numBytes > MAX_BYTES || slotsFor(numTexts) === undefined) {
    const message = `would have ${numTexts} different texts with ${numBytes} bytes in all, those from before with those of now, which is more than a vocabulary can hold`;
    throw userError('data', { key: `field '${field}'`, message, fix: 'start anew, so that it has those of now alone' });
  }
  const texts = createTexts(numTexts, numBytes);
  texts.bytes.set(before.bytes);
  texts.offsets.set(before.offsets);
  let end = before.bytes.length;
  for (const [i, id] of fresh.entries()) {
    texts.bytes.set(now.bytes.subarray(now.offsets[id - 1], now.offsets[id]), end);
    texts.offsets[numBefore + 1 + i] = end += now.offsets[id]! - now.offsets[id - 1]!;
  }
  return { table: createTextTable(texts), forgotten };
}

/** Ids of a table's texts that another has not, in increasing order. */
function idsNotIn(other: TextTable, { bytes, offsets }: TextTable): Uint32Array {
  const ids = new Uint32Array(offsets.length - 1);
  let count = 0;
  for (let id = 1; id < offsets.length; id++) if (idOf(other, bytes, offsets[id - 1]!, offsets[id]!) === 0) ids[count++] = id;
  return ids.slice(0, count);
}
