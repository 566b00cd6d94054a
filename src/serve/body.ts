import { isUtf8 } from 'node:buffer';
import { promisify } from 'node:util';
import { gunzip, inflate, type ZlibOptions } from 'node:zlib';
import { quoted } from '../core/errors.js';
import { refusal, type Refusal } from './refusal.js';
import { bytes as sizeText } from '../text/number-text.js';

const UNPACK = new Map([
  ['gzip', promisify<Uint8Array, ZlibOptions, Buffer>(gunzip)],
  ['x-gzip', promisify<Uint8Array, ZlibOptions, Buffer>(gunzip)],
  ['deflate', promisify<Uint8Array, ZlibOptions, Buffer>(inflate)],
]);
/** Maximum number of bodies decompressed in parallel, as many as Node's threads. */
const MAX_UNPACKING = 4;
/** Maximum number of compressed bodies waiting for a thread. */
const MAX_WAITING_BODIES = 1000;

export interface Unpacker {
  /**
   * @param encoding value of the `content-encoding` header
   * @throws Refusal: 400 for broken data, 413 beyond the limit, 415 for another encoding, 503 if too many bodies wait
   */
  unpack(body: Uint8Array, encoding: string | undefined): Promise<Uint8Array>;
}

/**
 * Creates an unpacker with memory bounded by the decompressed size.
 * @param maxBytes maximum size of a decompressed body
 */
export function createUnpacker(maxBytes: number): Unpacker {
  const waiting: (() => void)[] = [];
  let numUnpacking = 0;
  return {
    async unpack(body, encoding) {
      const name = encoding?.toLowerCase();
      if (name === undefined || name === 'identity') return body;
      const unpack = UNPACK.get(name);
      if (unpack === undefined)
        throw refusal(415, {
          where: 'content-encoding',
          message: `expected gzip or deflate, found ${quoted(encoding)}`,
        });
      if (waiting.length >= MAX_WAITING_BODIES)
        throw refusal(503, { message: 'too many compressed requests are waiting', fix: 'retry later' });
      if (numUnpacking >= MAX_UNPACKING) await new Promise<void>((resolve) => waiting.push(resolve));
      else numUnpacking++;
      try {
        return await unpack(body, { maxOutputLength: maxBytes });
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
          throw refuseSize(maxBytes);
        throw refusal(400, {
          where: 'body',
          message:
            `is not valid ${name}, as declared by content-encoding ` +
            `(${error instanceof Error ? error.message : String(error)})`,
        });
      } finally {
        const next = waiting.shift();
        if (next === undefined) numUnpacking--;
        else next();
      }
    },
  };
}

/** Builds the refusal of a body that is too large. */
export function refuseSize(maxBytes: number): Refusal {
  return refusal(413, {
    where: 'body',
    message: `expected at most ${sizeText(maxBytes)}`,
    fix: 'split the rows into several requests, or raise --max-body of mtl serve',
  });
}

/** Builds the refusal of too many rows. */
export function refuseRowCount(rows: number, maxRows: number, where = 'rows'): Refusal {
  return refusal(413, {
    where,
    message: `expected at most ${maxRows} ${where}, found ${rows}`,
    fix: 'split them into several requests, or raise --max-rows of mtl serve',
  });
}

/** Maximum nesting of JSON; valid requests have at most eight levels. */
const MAX_DEPTH = 64;

/**
 * Parses JSON in UTF-8.
 * @throws Refusal for invalid JSON or UTF-8, and for nesting deeper than `MAX_DEPTH`
 */
export function parseJsonBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw refusal(400, { where: 'body', message: 'expected JSON, found an empty body' });
  if (!isUtf8(bytes)) throw refusal(400, { where: 'body', message: 'expected JSON in UTF-8, found invalid bytes' });
  if (exceedsDepth(bytes, MAX_DEPTH))
    throw refusal(400, {
      where: 'body',
      message: `expected at most ${MAX_DEPTH} levels of lists and objects, found more`,
    });
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as unknown;
  } catch (error) {
    throw refusal(400, {
      where: 'body',
      message: `is not valid JSON (${error instanceof Error ? error.message : String(error)})`,
    });
  }
}

/** Whether lists and objects in JSON are nested deeper than `limit`. */
function exceedsDepth(json: Uint8Array, limit: number): boolean {
  const [quote, backslash, list, endOfList, object, endOfObject] = Buffer.from('"\\[]{}');
  let depth = 0;
  let isText = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (isText) {
      if (byte === backslash) i++;
      else if (byte === quote) isText = false;
    } else if (byte === quote) isText = true;
    else if (byte === list || byte === object) {
      if (++depth > limit) return true;
    } else if (byte === endOfList || byte === endOfObject) depth--;
  }
  return false;
}

/**
 * Checks that a value is an object.
 * @throws Refusal
 */
export function asObject(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refusal(400, { where, message: `expected an object, found ${quoted(value)}` });
  return value as Readonly<Record<string, unknown>>;
}

/**
 * Checks that all keys of an object are known.
 * @throws Refusal
 */
export function assertKeys<Of extends object>(
  value: Of,
  where: string,
  keys: readonly string[],
  hint: (key: string) => string | undefined,
): Of {
  for (const key of Object.keys(value)) {
    if (keys.includes(key)) continue;
    const fix = hint(key);
    throw refusal(400, {
      where,
      key,
      message: `unknown key; expected ${keys.join(', ')}`,
      ...(fix !== undefined && { fix }),
    });
  }
  return value;
}
