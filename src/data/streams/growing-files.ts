import { dirname, relative, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { UserError, userError } from '../../core/errors.js';
import type { Paths } from '../options.js';
import { readChunks } from '../pipeline.js';
import type { CellFile, RowSource } from '../readers/cell-file.js';
import { positionSchema, ReadCursor, type Position } from '../readers/read-cursor.js';
import { readHead } from '../readers/byte-chunks.js';
import { findFiles, type DataFile } from '../sources/find-files.js';
import { findMatches, globParts, isFolder, isGlob, tryStat } from '../sources/glob.js';
import type { ChunkStream, StreamChunk, StreamOpening } from './chunk-stream.js';
import { parseStreamCursor, positionIn } from './cursor.js';
import { openGrowingFile } from './open-growing.js';
import type { StreamLag, StreamReading } from './record-stream.js';

/** Time between two looks for new lines, if there was none. */
const POLL_MS = 200;
/** Number of finished files whose names and sizes a position has: later changes of older ones are not detected. */
const MAX_FINISHED = 100;
const LF = 10;

const cursorSchema = z.strictObject({
  /** Name of the file, relative to the directory of the stream. */
  file: z.string(),
  /** Position in the file; null at its first row. */
  position: positionSchema.nullable(),
  /** Names and bytes of the last files before it. */
  finished: z.array(z.tuple([z.string(), z.int().min(0)])),
});
type FilesCursor = z.output<typeof cursorSchema>;

/**
 * Opens files as one stream: a directory, a glob or a list, to which files are added and whose last file may grow. Rows
 * come in the order of `findFiles`. A file ends when a later one exists and it has no other line; then its last line
 * needs no line end.
 * @throws UserError (data) for a path that does not exist
 */
export function openGrowingFiles(paths: Paths, opening: StreamOpening): ChunkStream {
  for (const path of [paths].flat())
    if (tryStat(path) === undefined && !(isGlob(path) && isFolder(globParts(path).base)))
      throw userError('data', {
        key: 'data.train',
        where: path,
        message: 'does not exist',
        fix: 'create the directory, in which files may appear later, or correct the path',
      });
  return new GrowingFiles(paths, opening);
}

/** Rows of a file. */
interface FileChunk extends StreamChunk {
  cursorAfter(rows: number, excludesRest?: boolean): FilesCursor;
}

class GrowingFiles implements ChunkStream {
  readonly name: string;
  readonly #paths: Paths;
  readonly #base: string;
  readonly #opening: StreamOpening;
  /** End of the rows that were yielded last. */
  #end: FilesCursor | undefined;
  /** The file that was opened last. */
  #opened: { readonly path: string; readonly rows: RowSource<CellFile> } | undefined;
  /** End of the rows that were read last, with hashes of the file before it. */
  #reached = new ReadCursor();

  constructor(paths: Paths, opening: StreamOpening) {
    const [first, ...others] = [paths].flat() as [string, ...string[]];
    this.name = others.length === 0 ? first : `${first} and ${others.length} more`;
    this.#paths = paths;
    this.#base =
      others.length > 0 ? '/' : isGlob(first) ? globParts(first).base : isFolder(first) ? first : dirname(first);
    this.#opening = opening;
  }

  async *read({ from, endsWhenEmpty, signal }: StreamReading): AsyncGenerator<StreamChunk> {
    let cursor = from === undefined ? undefined : parseStreamCursor(this.name, cursorSchema, from);
    this.#reached = new ReadCursor();
    /** Size of the file before it was read to its end. */
    let readBytes = -1;
    for (;;) {
      signal.throwIfAborted();
      // Listed before the file is read: its lines before a later file existed are then complete.
      const files = this.#list();
      if (files.length > 0) cursor ??= { file: this.#nameOf(files[0]!), position: null, finished: [] };
      const index = cursor === undefined ? -1 : this.#check(files, cursor);
      const isLast = index === files.length - 1;
      const bytes = (index < 0 ? undefined : tryStat(files[index]!.path)?.size) ?? 0;
      const isGrowing = bytes !== readBytes;
      if (cursor === undefined || (isLast && !isGrowing)) {
        if (endsWhenEmpty) return;
        await setTimeout(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
        continue;
      }
      for await (const each of this.#pass(files[index]!, cursor, isLast, isGrowing)) {
        yield each;
        this.#end = cursor = each.cursorAfter(each.chunk.rows);
      }
      readBytes = bytes;
      if (isGrowing) continue;
      const finished: FilesCursor['finished'] = [...cursor.finished, [cursor.file, bytes]];
      cursor = { file: this.#nameOf(files[index + 1]!), position: null, finished: finished.slice(-MAX_FINISHED) };
      readBytes = -1;
    }
  }

  lag(): Promise<StreamLag | undefined> {
    const files = this.#list();
    const first = this.#end === undefined ? 0 : files.findIndex((file) => this.#nameOf(file) === this.#end!.file);
    const bytes = files.slice(first).reduce((sum, { path }) => sum + (tryStat(path)?.size ?? 0), 0);
    return Promise.resolve({ amount: Math.max(0, bytes - (this.#end?.position?.offset ?? 0)), unit: 'bytes' });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Reads a file from a position to its end.
   * @param isGrowing whether its last line needs a line end
   */
  async *#pass(
    file: DataFile,
    { file: name, position, finished }: FilesCursor,
    isLast: boolean,
    isGrowing: boolean,
  ): AsyncGenerator<FileChunk> {
    const { bytes, isWhole } = readHead(file.path);
    // The header of a file that was just created may be incomplete.
    if (bytes.length === 0 || (isLast && isWhole && !bytes.includes(LF))) {
      if (position === null) return;
      throw truncated(file.path, bytes.length, position);
    }
    if (this.#opened?.path !== file.path)
      this.#opened = { path: file.path, rows: await openGrowingFile(file, this.#opening) };
    const { rows } = this.#opened;
    if (this.#reached.placeIn(rows.csv.path) === undefined)
      this.#reached = new ReadCursor(position === null ? {} : { [rows.csv.path]: position });
    const options = { cursor: this.#reached, isGrowing, hashesPrefix: true };
    for await (const { chunk, line } of readChunks([rows], () => undefined, options)) {
      const cursorAfter = (count: number, excludesRest = false): FilesCursor => ({
        file: name,
        position: positionIn(chunk, line, count, excludesRest),
        finished,
      });
      if (chunk.rows === 0 && chunk.numLines === 0) continue;
      yield { chunk, columns: rows.columns, line, cursorAfter };
    }
  }

  /** Lists the files that exist now, in order. */
  #list(): readonly DataFile[] {
    try {
      return findFiles(this.#paths);
    } catch (error) {
      if (error instanceof UserError && [this.#paths].flat().every(isEmpty)) return [];
      throw error;
    }
  }

  /**
   * Returns the index of the file of a position.
   * @throws UserError (data) if files before it were added or changed, or it was removed
   */
  #check(files: readonly DataFile[], { file, finished }: FilesCursor): number {
    const index = files.findIndex((each) => this.#nameOf(each) === file);
    if (index < 0)
      throw userError('data', {
        where: resolve(this.#base, file),
        message: 'was removed, but a later file may not exist when it ends, so it may have other rows',
        fix: 'restore it, and remove a file only when a later one has been read',
      });
    const bytes = new Map(finished);
    const oldest = finished.length < MAX_FINISHED ? undefined : finished[0]![0];
    const begin = oldest === undefined ? 0 : files.findIndex((each) => this.#nameOf(each) === oldest);
    for (const each of files.slice(Math.max(0, begin), index)) {
      const known = bytes.get(this.#nameOf(each));
      if (known === undefined)
        throw userError('data', {
          where: each.path,
          message: `appeared after a later file, ${file}, was read, so its rows would be lost`,
          fix: `rename it so that it follows ${this.#nameOf(files.at(-1)!)}`,
        });
      const now = tryStat(each.path)?.size ?? known;
      if (now !== known)
        throw userError('data', {
          where: each.path,
          message: `has ${now} bytes, but had ${known} when it was read and a later file existed`,
          fix: 'restore it, and write new rows to the last file',
        });
    }
    return index;
  }

  #nameOf({ path }: DataFile): string {
    return relative(this.#base, path);
  }
}

function isEmpty(path: string): boolean {
  if (isFolder(path)) return findMatches(`${path}/**`).files.length === 0;
  return tryStat(path) === undefined && findMatches(path).files.length === 0;
}

function truncated(path: string, bytes: number, { offset }: Position): UserError {
  return userError('data', {
    where: path,
    message: `was truncated: it has ${bytes} bytes, but ${offset} were read`,
    fix: 'restore it, or begin a new file with a later name',
  });
}
