import { readVector, tensorError } from '../../io/named-tensor.js';
import type { StoredTensor } from '../../io/safetensors.js';

/** Suffixes of the tensor names of a pool. */
const TENSORS = ['bytes', 'offsets'];

/** Strings in contiguous shared memory. */
export interface StringPool {
  readonly bytes: Uint8Array;
  /** Start of each string, followed by the end of the last. */
  readonly offsets: Uint32Array;
}

/** Allocates a pool in shared memory. */
export function createStringPool(numTexts: number, numBytes: number): StringPool {
  return {
    bytes: new Uint8Array(new SharedArrayBuffer(numBytes)),
    offsets: new Uint32Array(new SharedArrayBuffer(4 * (numTexts + 1))),
  };
}

/**
 * Converts a list to a pool.
 * @throws Error for a lone surrogate
 */
export function textsFrom(list: readonly string[]): StringPool {
  const texts = createStringPool(
    list.length,
    list.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
  );
  const buffer = Buffer.from(texts.bytes.buffer);
  for (const [i, text] of list.entries()) {
    if (/\p{Surrogate}/u.test(text)) throw new Error(`${JSON.stringify(text)} holds half a surrogate pair`);
    texts.offsets[i + 1] = texts.offsets[i]! + buffer.write(text, texts.offsets[i]!);
  }
  return texts;
}

/** Returns the first strings of a pool: all if there are at most `maxTexts`. */
export function firstTexts(texts: StringPool, maxTexts = Infinity): StringPool {
  if (texts.offsets.length - 1 <= maxTexts) return texts;
  const first = createStringPool(maxTexts, texts.offsets[maxTexts]!);
  first.bytes.set(texts.bytes.subarray(0, first.bytes.length));
  first.offsets.set(texts.offsets.subarray(0, maxTexts + 1));
  return first;
}

/** Returns a function that decodes a string by index. */
export function textReader({ bytes, offsets }: StringPool): (place: number) => string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return (place) => buffer.toString('utf8', offsets[place], offsets[place + 1]);
}

/** Decodes all strings of a pool, in the order of their ids. */
export function listStrings(texts: StringPool): readonly string[] {
  const textAt = textReader(texts);
  return Array.from({ length: texts.offsets.length - 1 }, (_, place) => textAt(place));
}

/** Converts a pool to tensors named after `name`. */
export function textTensors({ bytes, offsets }: StringPool, name: string): ReadonlyMap<string, StoredTensor> {
  return new Map([bytes, offsets].map((data, i) => [`${name}.${TENSORS[i]!}`, { shape: [data.length], data }]));
}

/**
 * Converts tensors to a pool; returns undefined if there are none of this name.
 * @throws Error if they are invalid
 */
export function textsOfTensors(tensors: ReadonlyMap<string, StoredTensor>, name: string): StringPool | undefined {
  const [bytesName, offsetsName] = [`${name}.${TENSORS[0]}`, `${name}.${TENSORS[1]}`];
  if (!tensors.has(bytesName) && !tensors.has(offsetsName)) return undefined;
  const bytes = readVector(tensors, bytesName, 'U8');
  const offsets = readVector(tensors, offsetsName, 'U32');
  if (!areOffsets(offsets, bytes.length)) throw tensorError(offsetsName, 'expected the offsets of texts');
  return { bytes, offsets };
}

/** Returns whether offsets are nondecreasing and cover all bytes. */
function areOffsets(offsets: Uint32Array, numBytes: number): boolean {
  for (let i = 1; i < offsets.length; i++) if (offsets[i]! < offsets[i - 1]!) return false;
  return offsets[0] === 0 && offsets.at(-1) === numBytes;
}
