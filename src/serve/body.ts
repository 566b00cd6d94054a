import { isUtf8 } from 'node:buffer';
import { promisify } from 'node:util';
import { gunzip, inflate, type ZlibOptions } from 'node:zlib';
import { quoted } from '../core/errors.js';
import { refusal, type Refusal } from './refusal.js';

const UNPACK = new Map([
  ['gzip', promisify<Uint8Array, ZlibOptions, Buffer>(gunzip)],
  ['x-gzip', promisify<Uint8Array, ZlibOptions, Buffer>(gunzip)],
  ['deflate', promisify<Uint8Array, ZlibOptions, Buffer>(inflate)],
]);
/** Bodies that are unpacked at a time: Node has as many threads for it. */
const MAX_UNPACKING = 4;
/** Compressed bodies that wait for one of these threads; more are rejected. */
const MAX_PACKED = 1000;

/** Decompresses request bodies. */
export interface Unpacker {
  /**
   * @param encoding value of the `content-encoding` header
   * @throws Refusal: 400 for broken data, 413 beyond the limit, 415 for another encoding, 503 if too many bodies wait
   */
  unpack(body: Uint8Array, encoding: string | undefined): Promise<Uint8Array>;
}

/**
 * Creates an unpacker whose memory is bounded by the size of what it unpacks, not of what it is given.
 * @param maxBytes maximum size of an unpacked body
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
      if (waiting.length >= MAX_PACKED)
        throw refusal(503, { message: 'too many compressed requests are waiting', fix: 'ask again later' });
      if (numUnpacking >= MAX_UNPACKING) await new Promise<void>((resolve) => waiting.push(resolve));
      else numUnpacking++;
      try {
        return await unpack(body, { maxOutputLength: maxBytes });
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
          throw tooLarge(maxBytes);
        throw refusal(400, {
          where: 'body',
          message: `is not ${name}, as content-encoding says (${error instanceof Error ? error.message : String(error)})`,
        });
      } finally {
        const next = waiting.shift();
        if (next === undefined) numUnpacking--;
        else next();
      }
    },
  };
}

/** The refusal of a body of too many bytes. */
export function tooLarge(maxBytes: number): Refusal {
  return refusal(413, {
    where: 'body',
    message: `expected at most ${maxBytes} bytes`,
    fix: 'send the rows in several requests, or start mtl serve with more --max-body',
  });
}

/** The refusal of too many rows. */
export function tooManyRows(rows: number, maxRows: number): Refusal {
  return refusal(413, {
    where: 'rows',
    message: `expected at most ${maxRows} rows, found ${rows}`,
    fix: 'send them in several requests, or start mtl serve with more --max-rows',
  });
}

/** Levels of nesting in JSON; a request has at most eight. */
const MAX_DEPTH = 64;

/**
 * The value that JSON stands for.
 * @throws Refusal for what is no JSON, or no text at all, and for JSON nested deeper than `MAX_DEPTH`
 */
export function parseJsonBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw refusal(400, { where: 'body', message: 'expected JSON, found nothing' });
  if (!isUtf8(bytes))
    throw refusal(400, { where: 'body', message: 'expected JSON in UTF-8, found bytes that are no text' });
  if (isDeeper(bytes, MAX_DEPTH))
    throw refusal(400, {
      where: 'body',
      message: `is nested too deeply: expected at most ${MAX_DEPTH} levels of lists and objects`,
    });
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as unknown;
  } catch (error) {
    throw refusal(400, {
      where: 'body',
      message: `is no JSON (${error instanceof Error ? error.message : String(error)})`,
    });
  }
}

/** Whether lists and objects in JSON are nested deeper than `limit`. */
function isDeeper(json: Uint8Array, limit: number): boolean {
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
export function withKeys<Of extends object>(
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
