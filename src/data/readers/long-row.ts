import type { InvalidLine } from '../../chunks/chunk.js';
import { cellText } from '../../features/cell-text.js';
import { MAX_ROW_BYTES } from './cell-file.js';
import { findLineEnd, type TextPlace } from './text-place.js';

/** Number of bytes of a row beyond the limit that are reported. */
const REPORTED_BYTES = 1000;

/** Returns the line of a row beyond the limit, which is reported by its beginning and its length. */
export function longLine(bytes: Buffer, line: number): Omit<InvalidLine, 'before'> {
  return reportLine(bytes, bytes.length - findLineEnd(bytes).length, line);
}

function reportLine(beginning: Buffer, length: number, line: number): Omit<InvalidLine, 'before'> {
  const text = cellText(beginning, 0, Math.min(REPORTED_BYTES, beginning.length)).trimEnd();
  const cells = [`${text}… (the beginning of ${length} bytes)`];
  return { line, expected: `a row of at most ${MAX_ROW_BYTES} bytes`, cells };
}

/** A row beyond the limit while it is read up to the end of its line. Only its beginning is in memory. */
export class LongRow {
  /** Place after the bytes that were read. */
  end: TextPlace;
  readonly #beginning: Buffer;

  /**
   * @param bytes first bytes of the row, without a line end
   * @param problem what is wrong, if it is more than the length
   */
  constructor(
    readonly begin: TextPlace,
    bytes: Buffer,
    readonly problem: Partial<Pick<InvalidLine, 'expected' | 'cure'>> = {},
  ) {
    this.#beginning = Buffer.from(bytes.subarray(0, REPORTED_BYTES));
    this.end = begin.after(bytes);
  }

  /** Skips more bytes of the row. */
  skip(bytes: Buffer): void {
    this.end = this.end.after(bytes);
  }

  /** Whether the last byte is a carriage return, which a line feed may follow. */
  get endsInReturn(): boolean {
    return this.end.lineEnd === '\r';
  }

  get line(): Omit<InvalidLine, 'before'> {
    const { offset, lineEnd } = this.end;
    return { ...reportLine(this.#beginning, offset - lineEnd.length - this.begin.offset, 0), ...this.problem };
  }

  /** Returns the place after `numLines` lines, of which the row is the only one. */
  placeAfter(numLines = 1): TextPlace {
    return numLines === 0 ? this.begin : this.end;
  }
}
