import type { Chunk } from '../../chunks/chunk.js';
import type { DialectOptions } from '../dialect.js';
import type { FileChunk } from '../readers/cell-file.js';
import type { RecordStream, StreamCursor, StreamReading } from './record-stream.js';

/** Rows of a stream as columns, in the order of the stream. Its memory is valid until the next chunk. */
export interface StreamChunk extends FileChunk {
  /**
   * Returns the position after the first `rows` rows; all rows include the lines after the last one, unless
   * `excludesRest`.
   */
  cursorAfter(rows: number, excludesRest?: boolean): StreamCursor;
  /** Returns the place of a line, from 0 for the first one; default: its number in the file of `columns`. */
  placeOf?(line: number): { readonly path: string; readonly line: number };
}

/** A stream of rows: files that grow, standard input, or records that a source has as JSON. */
export interface ChunkStream extends Pick<RecordStream, 'name' | 'lag' | 'close'> {
  read(reading: StreamReading): AsyncGenerator<StreamChunk>;
}

/** What reads of a stream require. */
export type RowStream = Pick<ChunkStream, 'name' | 'read'>;

/** Returns the number of records of a chunk, with invalid ones. */
export function countLines({ rows, invalid = [] }: Chunk): number {
  return rows + invalid.length;
}

/** How a stream is opened. */
export interface StreamOpening {
  /** Columns that are read. */
  readonly columns: readonly string[];
  readonly dialect: DialectOptions;
}
