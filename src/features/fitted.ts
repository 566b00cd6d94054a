import { createHash } from 'node:crypto';
import type { StoredTensor } from '../io/safetensors.js';
import type { Fitted } from './feature-types.js';
import { createTextTable, isTextTable } from './vocabulary/text-table.js';
import { listStrings, textsFrom, textsOfTensors, textTensors } from './vocabulary/string-pool.js';

// What was learned, on its way to disk and back. Short vocabularies are lists in JSON, for people to read; of others
// the JSON
// says how many texts they have, and these are tensors. Long lists, as they were written before, are read as well.

/** More bytes of text are no list in JSON. */
const READABLE_BYTES = 1 << 16;
/** One update of a hash. */
const PIECE_BYTES = 1 << 22;

/** What was learned, as it is stored. */
export interface StoredFitted {
  readonly json: Readonly<Record<string, unknown>>;
  /** Empty where the JSON is all. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** What is to be stored. */
export function storedFitted(fitted: Fitted): StoredFitted {
  const tensors = new Map<string, StoredTensor>();
  const json = mapTexts(fitted, (name, value) => {
    if (!isTextTable(value)) return value;
    if (value.bytes.length <= READABLE_BYTES) return listStrings(value);
    for (const [tensor, data] of textTensors(value, name)) tensors.set(tensor, data);
    return { texts: value.offsets.length - 1 };
  });
  return { json, tensors };
}

/**
 * What was stored.
 * @param tensors in memory that threads share
 * @throws Error for tensors that are no vocabulary
 */
export function loadedFitted({ json, tensors }: StoredFitted): Fitted {
  return mapTexts(json, (name, value) => {
    const texts = textsOfTensors(tensors, name) ?? (isLongList(value) ? textsFrom(value) : undefined);
    return texts === undefined ? value : createTextTable(texts);
  });
}

/** JSON that is the same exactly for what is the same. */
export function keyOfFitted(fitted: Fitted): unknown {
  const { json, tensors } = storedFitted(fitted);
  if (tensors.size === 0) return json;
  const hash = createHash('sha256');
  for (const { data } of tensors.values()) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) hash.update(bytes.subarray(at, at + PIECE_BYTES));
  }
  return [json, hash.digest('hex')];
}

function isLongList(value: unknown): value is readonly string[] {
  let numBytes = 0;
  if (!Array.isArray(value)) return false;
  for (const text of value as readonly unknown[]) {
    if (typeof text !== 'string') return false;
    numBytes += Buffer.byteLength(text);
  }
  return numBytes > READABLE_BYTES;
}

/** What was learned, with another value for each that has a name: that of its field, and its own. */
function mapTexts(
  fitted: Fitted,
  change: (name: string, value: unknown) => unknown,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fitted).map(([field, learned]) => {
      if (typeof learned !== 'object' || learned === null || Array.isArray(learned)) return [field, learned];
      return [
        field,
        Object.fromEntries(Object.entries(learned).map(([key, value]) => [key, change(`${field}.${key}`, value)])),
      ];
    }),
  );
}
