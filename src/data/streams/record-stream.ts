import type { JoinObserver } from './join-observer.js';

/** Position in a stream, between two records. JSON, which only the source of the stream understands; or undefined. */
export type StreamCursor = unknown;

/** Some consecutive records of a stream as JSON Lines: one record per line, without line feeds within a record. */
export interface RecordPiece {
  /** Whole lines, each with a line feed at its end. Valid until the next piece is requested. */
  readonly bytes: Buffer;
  /** Returns the position after the first `count` lines. */
  cursorAfter(count: number): StreamCursor;
  /**
   * Returns the place of a line of the piece, from 0, for reports of invalid records: the log that has it, and its
   * number there. Default: the name of the stream, and the number of the record, from 1.
   */
  placeOf?(line: number): { readonly path: string; readonly line: number };
}

/** How a stream is read. At most one read is in use at a time. */
export interface StreamReading {
  /** Position of the first record; undefined for the first record that the stream had when it was opened. */
  readonly from: StreamCursor;
  /**
   * Whether a later read begins at the same position, so that a source that delivers records once must keep them.
   * Default: false.
   */
  readonly isPreview?: boolean;
  /** Whether the read ends when the source has no more records at present. Default: it waits for more. */
  readonly endsWhenEmpty: boolean;
  /** Ends a wait for records; its reason is thrown. */
  readonly signal: AbortSignal;
  /** Receive the rows and events of a join when they are read. Default: nothing does. */
  readonly observers?: readonly JoinObserver[] | undefined;
  /** Receives warnings, such as a lost connection. */
  onWarning(text: string): void;
}

/** Records that a source has, but that were not read yet. */
export interface StreamLag {
  readonly amount: number;
  readonly unit: 'records' | 'bytes';
}

/**
 * A source of records that does not end. Its order of records depends on the log alone, not on the times at which
 * records arrive, so that a second read yields the same records in the same order.
 */
export interface RecordStream {
  /** Name for messages: the path or URL, without passwords. */
  readonly name: string;
  /**
   * Yields records in order. It requests more from the source only when the caller requests the next piece, up to a
   * bounded buffer.
   * @throws UserError (data) if the position cannot be read anymore or the stream is not the one it belongs to
   */
  read(reading: StreamReading): AsyncGenerator<RecordPiece>;
  /** Returns what is left to read after the pieces that were yielded; undefined if it is unknown. */
  lag(): Promise<StreamLag | undefined>;
  /** Closes connections and files. Reads end before. */
  close(): Promise<void>;
}

/** Opens the streams of one kind; `streams.ts` lists all kinds. */
export interface RecordSource {
  /** Whether a path of `data.train` names a stream of this kind, such as `kafka://…`. */
  matches(path: string): boolean;
  /** @throws UserError (data) for a stream that cannot be reached or does not exist */
  open(path: string): Promise<RecordStream>;
}
