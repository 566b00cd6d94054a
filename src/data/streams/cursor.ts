import type { z } from 'zod';
import type { Chunk } from '../../chunks/chunk.js';
import { userError } from '../../core/errors.js';
import type { Position } from '../readers/read-cursor.js';
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
 * Returns the position after the first rows of a chunk of a file.
 * @param line number of the first line of the chunk
 * @param excludesRest whether lines after the last of these rows come after the position
 */
export function positionIn(chunk: Chunk, line: number, rows: number, excludesRest = false): Position {
  const isAll = rows === chunk.rows && !excludesRest;
  const numLines = isAll ? chunk.numLines : rows === 0 ? 0 : (chunk.lines?.[rows - 1] ?? rows - 1) + 1;
  const { offset, check } = chunk.placeAfter!(rows, excludesRest);
  return { offset, line: line + numLines, check };
}
