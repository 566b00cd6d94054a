import { isUtf8 } from 'node:buffer';
import { gunzipSync, inflateSync } from 'node:zlib';
import { quoted } from '../errors.js';
import { refusal, type Refusal } from './refusal.js';

/** What unpacks bodies, by the name that HTTP has for it. */
const UNPACK = new Map([
  ['gzip', gunzipSync],
  ['deflate', inflateSync],
]);

/**
 * A body as it was before it was compressed.
 * @param maxBytes that it may have
 * @throws Refusal
 */
export function unpackedBody(body: Uint8Array, encoding: string | undefined, maxBytes: number): Uint8Array {
  if (encoding === undefined || encoding === 'identity') return body;
  const unpack = UNPACK.get(encoding);
  if (unpack === undefined) throw refusal(415, { where: 'content-encoding', message: `expected ${[...UNPACK.keys()].join(' or ')}, found ${quoted(encoding)}` });
  try {
    return unpack(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw refusal(400, { where: 'body', message: `is not ${encoding}, as content-encoding says (${error instanceof Error ? error.message : String(error)})` });
  }
}

/** The refusal of a body of too many bytes. */
export function tooLarge(maxBytes: number): Refusal {
  return refusal(413, { where: 'body', message: `expected at most ${maxBytes} bytes`, fix: 'send the rows in several requests, or start mtl serve with more --max-body' });
}

/** The refusal of too many rows. */
export function tooManyRows(rows: number, maxRows: number): Refusal {
  return refusal(413, { where: 'rows', message: `expected at most ${maxRows} rows, found ${rows}`, fix: 'send them in several requests, or start mtl serve with more --max-rows' });
}

/**
 * The value that JSON stands for.
 * @throws Refusal for what is no JSON, or no text at all
 */
export function parseJsonBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw refusal(400, { where: 'body', message: 'expected JSON, found nothing' });
  if (!isUtf8(bytes)) throw refusal(400, { where: 'body', message: 'expected JSON in UTF-8, found bytes that are no text' });
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as unknown;
  } catch (error) {
    throw refusal(400, { where: 'body', message: `is no JSON (${error instanceof Error ? error.message : String(error)})` });
  }
}

/**
 * An object whose keys are all known.
 * @throws Refusal
 */
export function asObject(value: unknown, where: string, keys: readonly string[], hint: (key: string) => string | undefined): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refusal(400, { where, message: `expected an object, found ${quoted(value)}` });
  for (const key of Object.keys(value)) {
    if (keys.includes(key)) continue;
    const fix = hint(key);
    throw refusal(400, { where, key, message: `unknown key; expected ${keys.join(', ')}`, ...(fix !== undefined && { fix }) });
  }
  return value as Readonly<Record<string, unknown>>;
}
