import type { z } from 'zod';
import type { Chunk } from '../../chunks/chunk.js';
import { userError } from '../../core/errors.js';
import { positionAt, type Position } from '../readers/read-cursor.js';
import type { StreamCursor } from './record-stream.js';

/**
 * Parses the stored position of a stream.
 * @throws UserError (checkpoint) if it belongs to a source of another kind
 */
export function parseStreamCursor<Cursor>(name: string, schema: z.ZodType<Cursor>, cursor: StreamCursor): Cursor {
  const parsed = schema.safeParse(cursor);
  if (parsed.success) return parsed.data;
  throw userError('checkpoint', {
    where: name,
    key: 'data.train',
    message: 'the run has the position of a stream of another kind',
    fix: 'resume with the stream that the run was trained on, or start a new run with --init-from',
  });
}

/**
 * Returns the number of lines of a chunk up to the end of its first rows.
 * @param excludesRest whether lines after the last row do not count
 */
export function linesBefore({ rows, lines, numLines }: Chunk, count: number, excludesRest: boolean): number {
  if (count === rows && !excludesRest) return numLines;
  return count === 0 ? 0 : (lines?.[count - 1] ?? count - 1) + 1;
}

/**
 * Returns the position after the first rows of a chunk of a file.
 * @param line number of the first line of the chunk
 * @param excludesRest whether lines after the last row come after the position
 */
export function positionIn(chunk: Chunk, line: number, rows: number, excludesRest = false): Position {
  const numLines = linesBefore(chunk, rows, excludesRest);
  return positionAt(chunk.placeAfter!(rows === chunk.rows && !excludesRest ? undefined : numLines), line + numLines);
}
