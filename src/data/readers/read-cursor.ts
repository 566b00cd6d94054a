import { z } from 'zod';
import type { Chunk, Place } from '../../chunks/chunk.js';
import { UserError, userError } from '../../core/errors.js';
import { prefixSchema } from './prefix-hash.js';

/** Position between two rows of a file. JSON. */
export const positionSchema = z.strictObject({
  /** Bytes of the decompressed UTF-8 text before the position; for Parquet, rows before it. */
  offset: z.int().min(0),
  /** Number of the next line, from 1. */
  line: z.int().min(1),
  /** Hash of the bytes before the offset; for Parquet, of the footer. */
  check: z.string().regex(/^[0-9a-f]{16}$/),
  /** Hashes of all bytes before the offset, for a text of a stream. */
  prefix: prefixSchema.optional(),
});
export type Position = z.output<typeof positionSchema>;

/** Returns the position of a place. */
export function positionAt({ offset, check, prefix }: Place, line: number): Position {
  return { offset, line, check, ...(prefix && { prefix }) };
}

/** End of the rows that were read, by path; a file that it lacks was not read. JSON. */
export const cursorSchema = z.record(z.string(), positionSchema);
export type Cursor = z.output<typeof cursorSchema>;

/** Where a read of files begins, and how far it has come. */
export class ReadCursor {
  readonly #positions: Map<string, Position>;
  readonly #places = new Map<string, { readonly place: Place; readonly line: number }>();

  /** @param from end of an earlier read; default: the first row of each file */
  constructor(from: Cursor = {}) {
    this.#positions = new Map(Object.entries(from));
  }

  /** Returns the position in a file; undefined at its first row. */
  positionIn(path: string): Position | undefined {
    const end = this.#places.get(path);
    return end === undefined ? this.#positions.get(path) : positionAt(end.place, end.line);
  }

  /** Returns the place to which this cursor moved in a file; undefined if it did not. */
  placeIn(path: string): Place | undefined {
    return this.#places.get(path)?.place;
  }

  /**
   * Moves to a place in a file.
   * @param place undefined for a chunk that has no places, which is a bug
   * @param line number of the next line
   */
  moveTo(path: string, place: Place | undefined, line: number): void {
    if (place === undefined) throw new Error(`the rows of ${path} have no places`);
    this.#places.set(path, { place, line });
  }

  /**
   * Moves to the place after a chunk.
   * @param line number of its first line
   */
  moveAfter(path: string, { numLines, placeAfter }: Chunk, line: number): void {
    this.moveTo(path, placeAfter?.(), line + numLines);
  }

  /** Returns the positions in all files. */
  toJSON(): Cursor {
    const paths = new Set([...this.#positions.keys(), ...this.#places.keys()]);
    return Object.fromEntries([...paths].map((path) => [path, this.positionIn(path)!]));
  }
}

/**
 * Parses a stored cursor.
 * @param where name of its file
 * @throws UserError (data) if the text is not a cursor
 */
export function parseCursor(where: string, text: string): Cursor {
  try {
    return cursorSchema.parse(JSON.parse(text));
  } catch (error) {
    throw userError(
      'data',
      { where, message: 'is not a cursor: expected positions by path', fix: 'remove it to read all rows again' },
      error,
    );
  }
}

/** Returns the error for a file whose rows before a position are not those that were read. */
export function changedBefore(path: string, what: string): UserError {
  const fix = 'restore the file, or read it again from its first row, without the cursor';
  return userError('data', { where: path, message: `changed after it was read: ${what}`, fix });
}
