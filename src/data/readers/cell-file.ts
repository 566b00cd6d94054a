import type { SchemaElement } from 'hyparquet';
import type { Chunk, Place } from '../../chunks/chunk.js';
import type { Dialect } from '../dialect.js';
import type { Position } from './read-cursor.js';
import type { DataStream } from './data-stream.js';
import type { FileStats, Fingerprint } from './fingerprint.js';
import type { TextPlace } from './text-place.js';

/** Maximum bytes of a row: a longer one is a quote that was never closed, or not a CSV. */
export const MAX_ROW_BYTES = 1 << 20;

/** Whole CSV lines without a quote, each with a line feed at its end and one byte between values. */
export interface PlainLines {
  readonly bytes: Buffer;
  /** Place of the bytes in the file, if it is known. */
  readonly place?: TextPlace;
}

/** How a file is read. */
export interface PieceOptions {
  /**
   * Number of plain lines that stay valid when the next piece is requested; their memory can then be shared with other
   * threads. Default: 0.
   */
  readonly numKept?: number;
  /** Position of the first row to read; default: the first row of the file. */
  readonly from?: Position | undefined;
  /** Place of `from`, if the rows before it were read by this process. */
  readonly place?: Place | undefined;
  /**
   * Whether places in a text have hashes of all bytes before them. The bytes before `from` are then read and compared,
   * unless its place is known. Default: false.
   */
  readonly hashesPrefix?: boolean | undefined;
  /** Whether the file may grow, so that a last line without a line end is not a row yet. Default: false. */
  readonly isGrowing?: boolean | undefined;
}

/** An error that is thrown when the rows before it are read. */
export interface ReadFailure {
  /** @param line number of the line after the rows before it */
  failure(line: number): Error;
}

/** Part of a file, and the share of the file that was read so far. */
export type Piece = (Chunk | PlainLines | ReadFailure) & { readonly progress: number };

/** Nodes of an optional Parquet column, parents first. The name of the first one has no meaning. */
export type ParquetSchema = readonly SchemaElement[];

/** Type of a column. */
export interface ColumnType {
  /** Name that errors print. */
  readonly name: string;
  /** Schema of its values; undefined if the values are texts. */
  readonly schema: ParquetSchema | undefined;
}

/** A file of rows, ready to be read from its first row. */
export interface CellFile {
  readonly path: string;
  readonly kind: 'CSV' | 'JSON Lines' | 'Parquet';
  readonly header: readonly string[];
  /** Dialect of a CSV. */
  readonly dialect?: Dialect;
  /** Returns the type of a column. Default: the file declares no types. */
  readonly typeOf?: (column: string) => ColumnType;
  /** Number of lines before the first row; default: 0. */
  readonly headerLines?: number;
  /** Problem of a column that the header lacks, if the file may have it nevertheless. */
  readonly missing?: { readonly message: string; readonly fix: string };
  /**
   * Reads the rows of the file. A piece is valid until the next one is requested. If the file is not the one that was
   * read to `from`, the piece is a failure.
   */
  pieces(options?: PieceOptions): AsyncGenerator<Piece>;
  /** The stream that delivers the file, if it is not on a disk. */
  readonly stream?: DataStream;
  /** Returns sizes, times and inodes, which show cheaply whether the file may have changed. */
  stats(): Promise<FileStats>;
  /**
   * Returns the content of the file: free if `pieces` read all bytes, else it is read once.
   * @param onBytes receives the number of bytes of each read; it may throw to abort
   */
  fingerprint(onBytes?: (bytes: number) => void): Promise<Fingerprint>;
}

/** Names and places of the columns that are read from a file. Plain data. */
export interface FileColumns {
  readonly path: string;
  readonly header: readonly string[];
  readonly dialect?: Dialect | undefined;
  /** Column numbers by name. */
  readonly indices: ReadonlyMap<string, number>;
  /** Columns that have the same value in all rows, whether the file has them or not. */
  readonly constants?: ReadonlyMap<string, string> | undefined;
}

/** A chunk of the rows of a file. */
export interface FileChunk {
  readonly chunk: Chunk;
  /** Columns of its file; the same object for the chunks of one file. */
  readonly columns: FileColumns;
  /** Number of its first line. */
  readonly line: number;
}

/** A file and the columns that are read from it. */
export interface RowSource<File = Pick<CellFile, 'path' | 'headerLines' | 'pieces'>> {
  readonly csv: File;
  readonly columns: FileColumns;
}
