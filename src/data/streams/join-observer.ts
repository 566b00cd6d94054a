/** Returns the text of a column of a row of a join. */
export type ReadCell = (column: string) => string;

/**
 * Receives the records of a join in the order in which they are read, numbered by the records of all logs before them.
 */
export interface JoinObserver {
  onRow(record: number, cell: ReadCell): void;
  /** Receives an event of a row that waits for it. */
  onEvent(record: number, event: string, cell: ReadCell): void;
  /** Called after each record, also if it is invalid or belongs to no row. */
  onRead(record: number): void;
}

/** Column with the number of a joined row, if its read is observed. No data column has such a name. */
export const RECORD_COLUMN = '\u001frecord';
