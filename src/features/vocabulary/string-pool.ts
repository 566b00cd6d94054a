import type { StoredTensor } from '../../io/safetensors.js';
import { createUtf8Writer } from './utf8.js';

/** Names of the tensors that texts are stored as. */
const TENSORS = ['bytes', 'offsets'];

/** Of the texts in one piece of memory: places in them are kept in 32 bits. */
export const MAX_BYTES = 2 ** 32 - 1;

/** Texts in one piece of memory, which threads share. */
export interface StringPool {
  /** Their UTF-8 bytes, one text after the other. */
  readonly bytes: Uint8Array;
  /** Where each begins, and behind the last where it ends. */
  readonly offsets: Uint32Array;
}

/** Room for texts that threads share. */
export function createStringPool(numTexts: number, numBytes: number): StringPool {
  return {
    bytes: new Uint8Array(new SharedArrayBuffer(numBytes)),
    offsets: new Uint32Array(new SharedArrayBuffer(4 * (numTexts + 1))),
  };
}

/**
 * A list as texts.
 * @throws Error for half a surrogate pair, which is no text
 */
export function textsFrom(list: readonly string[]): StringPool {
  const texts = createStringPool(
    list.length,
    list.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
  );
  const utf8 = createUtf8Writer();
  for (const [i, text] of list.entries()) {
    if (/\p{Surrogate}/u.test(text)) throw new Error(`${JSON.stringify(text)} holds half a surrogate pair`);
    const length = utf8.write(text);
    texts.bytes.set(utf8.bytes.subarray(0, length), texts.offsets[i]);
    texts.offsets[i + 1] = texts.offsets[i]! + length;
  }
  return texts;
}

/** Each text by its place. */
export function textReader({ bytes, offsets }: StringPool): (place: number) => string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return (place) => buffer.toString('utf8', offsets[place], offsets[place + 1]);
}

/** All texts as a list. */
export function listStrings(texts: StringPool): readonly string[] {
  const textAt = textReader(texts);
  return Array.from({ length: texts.offsets.length - 1 }, (_, place) => textAt(place));
}

/** Texts as tensors, whose names begin with `name`. */
export function textTensors({ bytes, offsets }: StringPool, name: string): ReadonlyMap<string, StoredTensor> {
  return new Map([bytes, offsets].map((data, i) => [`${name}.${TENSORS[i]!}`, { shape: [data.length], data }]));
}

/**
 * Texts that were tensors; undefined where none has such a name.
 * @throws Error where they are no texts
 */
export function textsOfTensors(tensors: ReadonlyMap<string, StoredTensor>, name: string): StringPool | undefined {
  const [bytes, offsets] = TENSORS.map((tensor) => tensors.get(`${name}.${tensor}`)?.data);
  if (bytes === undefined && offsets === undefined) return undefined;
  if (!(bytes instanceof Uint8Array && offsets instanceof Uint32Array && areInTurn(offsets, bytes.length)))
    throw new Error(`'${name}' is not the bytes and the offsets of texts`);
  return { bytes, offsets };
}

/** Whether one text begins where the other ends, from the first byte to the last. */
function areInTurn(offsets: Uint32Array, numBytes: number): boolean {
  for (let i = 1; i < offsets.length; i++) if (offsets[i]! < offsets[i - 1]!) return false;
  return offsets[0] === 0 && offsets.at(-1) === numBytes;
}
