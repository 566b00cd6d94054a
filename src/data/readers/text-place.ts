import { createHash } from 'node:crypto';
import type { Place } from '../../chunks/chunk.js';
import type { ByteChunk, ByteChunks } from './byte-chunks.js';
import { changedBefore, type Position } from './read-cursor.js';

const [LF, CR] = [10, 13];
/** Number of bytes before a place that its check covers. */
export const CHECKED_BYTES = 256;
/** Number of hexadecimal digits of a check. */
const CHECK_DIGITS = 16;

/** Returns the check of some bytes. */
export function checkOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, CHECK_DIGITS);
}

/** A place in a text, with a copy of the bytes before it. */
export class TextPlace implements Place {
  readonly #before: Buffer;

  /** @param before last bytes before the place; fewer than `CHECKED_BYTES` only at the beginning of a read */
  constructor(
    readonly offset: number,
    before: Buffer = Buffer.alloc(0),
  ) {
    this.#before = before;
  }

  get check(): string {
    return checkOf(this.#before);
  }

  /** Whether a line ends here, or begins the text. */
  get isLineEnd(): boolean {
    const last = this.#before.at(-1);
    return last === undefined || last === LF || last === CR;
  }

  /** Returns the place after bytes that follow this one. */
  after(bytes: Buffer): TextPlace {
    const isLong = bytes.length >= CHECKED_BYTES;
    const before = isLong ? Buffer.from(bytes.subarray(-CHECKED_BYTES)) : Buffer.concat([this.#before, bytes]);
    return new TextPlace(this.offset + bytes.length, before.subarray(-CHECKED_BYTES));
  }
}

/**
 * Returns the place after some lines, which end in line feeds.
 * @param place place of the first of the bytes
 * @param numLines default: all lines
 */
export function placeAfterLines(place: TextPlace, bytes: Buffer, numLines = Infinity): TextPlace {
  let end = numLines === Infinity ? bytes.length : 0;
  for (let line = 0; line < numLines && end < bytes.length; line++) end = bytes.indexOf(LF, end) + 1;
  return place.after(bytes.subarray(0, end));
}

/** Returns the offset at which a text must be read, so that the position can be checked. */
export function beginOfRead(from: Position | undefined): number {
  return Math.max(0, (from?.offset ?? 0) - CHECKED_BYTES);
}

/**
 * Yields the bytes of a text from its first row, or from a position on, with their places.
 * @param chunks bytes from `beginOfRead` on
 * @param headerBytes offset of the first row
 * @throws UserError (data) if the bytes before the position are not those that were read
 */
export async function* placedChunks(
  path: string,
  chunks: ByteChunks,
  headerBytes: number,
  from?: Position,
): AsyncGenerator<ByteChunk & { readonly place: TextPlace }> {
  const start = from?.offset ?? headerBytes;
  let place = new TextPlace(beginOfRead(from));
  let isBegun = false;
  for await (const { bytes: all, progress } of chunks) {
    const numSkipped = Math.min(all.length, start - place.offset);
    if (numSkipped > 0) place = place.after(all.subarray(0, numSkipped));
    const bytes = numSkipped > 0 ? all.subarray(numSkipped) : all;
    if (bytes.length === 0) continue;
    // The first row may follow a byte order mark.
    const next = start > headerBytes ? bytes[0] : undefined;
    if (!isBegun && from !== undefined) checkPlace(path, place, from, next);
    isBegun = true;
    yield { bytes, progress, place };
    place = place.after(bytes);
  }
  if (!isBegun && from !== undefined) checkPlace(path, place, from);
}

/** @param next byte after the place, if there is one */
function checkPlace(path: string, place: TextPlace, { offset, check }: Position, next?: number): void {
  if (place.offset < offset) throw changedBefore(path, `it ends at byte ${place.offset}, before byte ${offset}`);
  if (place.check !== check) throw changedBefore(path, `the bytes before byte ${offset} differ`);
  if (!place.isLineEnd && next !== undefined && next !== LF && next !== CR)
    throw changedBefore(path, `the line that ended at byte ${offset} was continued`);
}
