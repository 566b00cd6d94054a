import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { userError } from '../core/errors.js';
import { parseCursor, ReadCursor } from '../data/readers/read-cursor.js';
import { isStream } from '../data/readers/data-stream.js';
import type { Source } from '../data/sources/source.js';
import { onDisk, writeFileAtomic } from '../io/disk.js';

/** The end of the rows that were predicted, in a file between predictions. */
export interface CursorFile {
  readonly cursor: ReadCursor;
  /** Writes the end of the rows that were read. */
  save(): Promise<void>;
}

/**
 * Opens the file of a cursor; without it, the cursor is at the first row.
 * @throws UserError (data) if it is not a cursor; (usage) for a stream, which cannot be read from a position
 */
export async function openCursorFile(path: string, source: Pick<Source, 'files'>): Promise<CursorFile> {
  const stream = source.files.find(isStream);
  if (stream !== undefined)
    throw userError('usage', {
      where: '--cursor',
      message: `does not apply to ${stream}, which is a stream`,
      fix: 'save the rows to a file, or remove --cursor',
    });
  const text = existsSync(path) ? await onDisk(path, () => readFile(path, 'utf8')) : '{}';
  const cursor = new ReadCursor(parseCursor(path, text));
  return { cursor, save: () => writeFileAtomic(path, `${JSON.stringify(cursor)}\n`) };
}
