import { userError } from '../../core/errors.js';
import { indexWords } from '../../core/hash-index.js';
import { findKey, MAX_KEY_BYTES } from '../../core/key-table.js';
import { createTextTable, isVacant, VACANT, type TextTable } from './text-table.js';
import { createStringPool } from './string-pool.js';
import { bytes as sizeText } from '../../text/number-text.js';

/** Result of merging two tables. */
interface GrownTable {
  /** Previous strings with their ids, and new ones in order: first in vacant slots, then appended. */
  readonly table: TextTable;
  /** Number of new strings. */
  readonly fresh: number;
  /** Ids of previous strings that are not in the new table. */
  readonly forgotten: Uint32Array;
  /** Previous ids that are now vacant or reused, in increasing order. */
  readonly cleared: Uint32Array;
}

/**
 * Merges two tables.
 * @param field name for errors
 * @param drops whether strings that are not in `now` release their ids
 * @throws UserError (data) if the result exceeds the maximum size
 */
export function growTable(before: TextTable, now: TextTable, field: string, drops = false): GrownTable {
  const fresh = idsNotIn(before, now);
  const forgotten = idsNotIn(now, before);
  if (fresh.length === 0 && (!drops || forgotten.length === 0))
    return { table: before, fresh: 0, forgotten, cleared: new Uint32Array(0) };

  const left = drops ? forgotten : new Uint32Array(0);
  const places = vacantIds(before, left);
  const filled = Math.min(places.length, fresh.length);
  const numBefore = before.offsets.length - 1;
  const numTexts = numBefore + fresh.length - filled;
  const stayVacant = places.length - filled;
  const wasVacant = places.length - left.length;
  const numBytes =
    before.bytes.length - countBytes(before, left) + countBytes(now, fresh) + VACANT.length * (stayVacant - wasVacant);
  if (numBytes > MAX_KEY_BYTES || indexWords(numTexts) === undefined) {
    const message =
      `would have ${numTexts} distinct strings with ${sizeText(numBytes)}, previous and new ones, ` +
      'which exceeds the maximum vocabulary size';
    throw userError('data', {
      key: `field '${field}'`,
      message,
      fix: 'train from scratch to use only the new strings',
    });
  }

  const texts = createStringPool(numTexts, numBytes);
  let [end, nextPlace, nextFresh] = [0, 0, 0];
  for (let id = 1; id <= numTexts; id++) {
    const isFree = places[nextPlace] === id;
    if (isFree) nextPlace++;
    const isFresh = isFree || id > numBefore;
    const [from, at] = isFresh ? [now, fresh[nextFresh] ?? 0] : [before, id];
    if (isFresh) nextFresh++;
    // Index 0 means no string: the slot stays vacant.
    if (at > 0) {
      texts.bytes.set(from.bytes.subarray(from.offsets[at - 1], from.offsets[at]), end);
      end += from.offsets[at]! - from.offsets[at - 1]!;
    } else {
      texts.bytes.set(VACANT, end);
      end += VACANT.length;
    }
    texts.offsets[id] = end;
  }
  return {
    table: createTextTable(texts),
    fresh: fresh.length,
    forgotten,
    cleared: mergeIds(left, places.subarray(0, filled)),
  };
}

/** Returns the ids of a table's strings that `other` does not contain, in increasing order. */
function idsNotIn(other: TextTable, { bytes, offsets }: TextTable): Uint32Array {
  const ids = new Uint32Array(offsets.length - 1);
  let count = 0;
  for (let id = 1; id < offsets.length; id++) {
    const [begin, end] = [offsets[id - 1]!, offsets[id]!];
    if (!isVacant({ bytes, offsets }, id) && findKey(other, bytes, begin, end) === 0) ids[count++] = id;
  }
  return ids.slice(0, count);
}

/** Returns vacant and released ids, in increasing order. */
function vacantIds(table: TextTable, left: Uint32Array): Uint32Array {
  const ids: number[] = [];
  let next = 0;
  for (let id = 1; id < table.offsets.length; id++) {
    const isLeft = left[next] === id;
    if (isLeft) next++;
    if (isLeft || isVacant(table, id)) ids.push(id);
  }
  return Uint32Array.from(ids);
}

function countBytes({ offsets }: TextTable, ids: Uint32Array): number {
  let sum = 0;
  for (const id of ids) sum += offsets[id]! - offsets[id - 1]!;
  return sum;
}

function mergeIds(left: Uint32Array, filled: Uint32Array): Uint32Array {
  return Uint32Array.from(new Set([...left, ...filled])).sort();
}
