import { z } from 'zod';
import { hashTensors } from '../io/hash-tensors.js';
import { tensorError } from '../io/named-tensor.js';
import type { StoredTensor } from '../io/safetensors.js';
import type { Fitted } from './feature-types.js';
import { createTextTable, isTextTable } from './vocabulary/text-table.js';
import { listStrings, textsFrom, textsOfTensors, textTensors } from './vocabulary/string-pool.js';

// Storage of fitted parameters. Short vocabularies are readable JSON lists. Long ones are tensors, with the number of
// strings in JSON, and so are arrays of numbers. Long JSON lists of older versions can be read too.

/** Longer vocabularies are stored as tensors. */
const READABLE_BYTES = 1 << 16;

/** Value in JSON of parameters that are stored as tensors. */
const inTensors = z.union([z.strictObject({ texts: z.int() }), z.strictObject({ elements: z.int() })]);

/** Stored form of fitted parameters. */
export interface StoredFitted {
  readonly json: Readonly<Record<string, unknown>>;
  /** Empty if JSON contains everything. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Converts fitted parameters to their stored form. */
export function storedFitted(fitted: Fitted): StoredFitted {
  const tensors = new Map<string, StoredTensor>();
  const json = mapTexts(fitted, (name, value) => {
    if (value instanceof Uint32Array || value instanceof Float64Array) {
      tensors.set(name, { shape: [value.length], data: value });
      return { elements: value.length };
    }
    if (!isTextTable(value)) return value;
    if (value.bytes.length <= READABLE_BYTES) return listStrings(value);
    for (const [tensor, data] of textTensors(value, name)) tensors.set(tensor, data);
    return { texts: value.offsets.length - 1 };
  });
  return { json, tensors };
}

/**
 * Converts the stored form back.
 * @param tensors in shared memory
 * @throws Error if tensors are not vocabularies
 */
export function loadedFitted({ json, tensors }: StoredFitted): Fitted {
  return mapTexts(json, (name, value) => {
    const texts = textsOfTensors(tensors, name) ?? (isLongList(value) ? textsFrom(value) : undefined);
    if (texts !== undefined) return createTextTable(texts);
    if (inTensors.safeParse(value).success && !tensors.has(name)) throw tensorError(name, 'the tensor is missing');
    return tensors.get(name)?.data ?? value;
  });
}

/** Returns JSON that is equal if and only if two fits are equal. */
export function toFittedKey(fitted: Fitted): unknown {
  const { json, tensors } = storedFitted(fitted);
  return tensors.size === 0 ? json : [json, hashTensors(tensors)];
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

/** Maps every named value: its name is the field and its key. */
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
