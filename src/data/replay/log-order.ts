import { userError } from '../../core/errors.js';
import { ReplayError, type RowSamples, type SampleReader } from './row-samples.js';

/** Time before all others: the first that a date can have. */
const FIRST_TIME_MS = -8.64e15;

/** Reads the rows of a log in order of time. */
export class LogOrder {
  readonly #timeColumn: string;
  /** Time of the newest row, in milliseconds since 1970. */
  timeMs = FIRST_TIME_MS;
  /** Number of rows that were read. */
  numRows = 0;

  constructor({ timeColumn }: RowSamples) {
    this.#timeColumn = timeColumn;
  }

  /**
   * Returns the times of the samples of the next row. A row without a time has the time of the row before it.
   * @throws UserError (data) for a row that is earlier than the one before it, or cannot be replayed
   */
  next(samples: SampleReader, row: number): readonly number[] {
    const timeMs = samples.timeOf(row) ?? this.timeMs;
    try {
      if (timeMs < this.timeMs)
        throw new ReplayError(
          this.#timeColumn,
          'a time before that of an earlier row',
          'sort the training set by this column',
        );
      const times = samples.list(row).map(({ afterMs }) => timeMs + afterMs);
      this.timeMs = timeMs;
      this.numRows++;
      return times;
    } catch (error) {
      if (!(error instanceof ReplayError)) throw error;
      const { column, message, fix } = error;
      const where = `row ${this.numRows + 1} of the training set`;
      throw userError('data', { where, key: `column ${column}`, message: `found ${message}`, fix });
    }
  }
}
