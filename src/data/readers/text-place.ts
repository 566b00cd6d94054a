import { createHash } from 'node:crypto';
import type { Place } from '../../chunks/chunk.js';
import type { Prefix, PrefixHash } from './prefix-hash.js';
import { markBytes } from './text-stream.js';

const [LF, CR] = [10, 13];
/** Number of bytes before a place that its check covers. */
export const CHECKED_BYTES = 256;
/** Number of hexadecimal digits of a check. */
const CHECK_DIGITS = 16;

/** Returns the check of some bytes. */
export function computeCheck(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, CHECK_DIGITS);
}

/** Returns the line end that ends some bytes; empty if there is none. */
export function findLineEnd(bytes: Buffer): string {
  return /\r?\n?$/.exec(bytes.toString('latin1', Math.max(0, bytes.length - 2)))![0];
}

/** A place in a text, with a copy of the bytes before it. */
export class TextPlace implements Place {
  readonly #before: Buffer;
  readonly #hash: PrefixHash | undefined;

  /**
   * @param before last bytes before the place; fewer than `CHECKED_BYTES` only at the beginning of a read
   * @param hash hash of all bytes before the place; default: they are not hashed
   */
  constructor(
    readonly offset: number,
    before: Buffer = Buffer.alloc(0),
    hash?: PrefixHash,
  ) {
    this.#before = before;
    this.#hash = hash;
  }

  get check(): string {
    return computeCheck(this.#before);
  }

  get prefix(): Prefix | undefined {
    return this.#hash?.prefix;
  }

  /** Whether a line ends here, or begins the text after a byte order mark, if there is one. */
  get isLineEnd(): boolean {
    const last = this.#before.at(-1);
    return this.offset === markBytes(this.#before) || last === LF || last === CR;
  }

  /** The line end before the place; empty within a line. */
  get lineEnd(): string {
    return findLineEnd(this.#before);
  }

  /** Returns the place after bytes that follow this one. */
  after(bytes: Buffer): TextPlace {
    const isLong = bytes.length >= CHECKED_BYTES;
    const before = isLong ? Buffer.from(bytes.subarray(-CHECKED_BYTES)) : Buffer.concat([this.#before, bytes]);
    return new TextPlace(this.offset + bytes.length, before.subarray(-CHECKED_BYTES), this.#hash?.after(bytes));
  }
}

/**
 * Returns the place after some lines.
 * @param place place of the first of the bytes
 * @param numLines default: all lines
 * @param lineEndAfter returns the offset after the next line end; default: after the next line feed
 */
export function placeAfterLines(
  place: TextPlace,
  bytes: Buffer,
  numLines?: number,
  lineEndAfter = lineFeedAfter,
): TextPlace {
  let end = numLines === undefined ? bytes.length : 0;
  for (let line = 0; line < (numLines ?? 0) && end < bytes.length; line++) end = lineEndAfter(bytes, end);
  return place.after(bytes.subarray(0, end));
}

function lineFeedAfter(bytes: Buffer, begin: number): number {
  return bytes.indexOf(LF, begin) + 1;
}
