import type { Chunk } from '../../chunks/chunk.js';
import type { SavedState } from '../../io/saved-state.js';
import type { ReadColumns } from '../../features/kinds/kind.js';
import type { FileColumns } from '../readers/cell-file.js';
import type { LateColumns } from '../rows/row-collector.js';
import type { JoinObserver } from './join-observer.js';
import type { StreamCursor } from './record-stream.js';

/**
 * What earlier rows of a log leave behind for later ones, such as counters of events. Stream processors call it keyed
 * state. Each row sees earlier rows only, never itself.
 *
 * The log is read again from a position after a stop, which is before some rows that were already read. A state counts
 * no row twice, and gives each row the same columns in each read.
 */
export interface RowState<Name extends string = string> extends SavedState<Name> {
  /**
   * Adds the columns of this state to the next rows of the log, valid until the next call.
   * @throws UserError (data) for a file with a column of the same name
   */
  extend(rows: Chunk, file: FileColumns): Chunk;
  /** Readers of the extended rows that come before the readers of the features; they may refuse rows. */
  readonly readers: readonly ReadColumns[];
  /** Columns that are computed once it is known which extended rows are valid. */
  readonly late: readonly LateColumns[];
  /** Receive the records of a join when they are read. */
  readonly observers: readonly JoinObserver[];
  /** Moves the position after the rows that were extended, or to a position of a join. */
  move(cursor: StreamCursor): void;
  /** Returns the state before the first row, for a read of the first rows that are read again afterwards. */
  preview(): RowState<Name>;
  /** Returns a warning the first time that the state uses much memory. */
  checkMemory(): string | undefined;
}

/** Adds the columns of all states to the next rows of a log. */
export function extendRows(states: readonly RowState[], rows: Chunk, file: FileColumns): Chunk {
  return states.reduce((extended, state) => state.extend(extended, file), rows);
}
