import { userError, type UserError } from '../../core/errors.js';
import { ReplayError, type RowSamples, type SampleReader } from './row-samples.js';

/** Time before all others: the first that a date can have. */
const FIRST_TIME_MS = -8.64e15;

/** Reads the rows of a log in order of time. */
export class LogOrder {
  readonly #samples: RowSamples;
  #timeMs = FIRST_TIME_MS;
  #numRows = 0;

  constructor(samples: RowSamples) {
    this.#samples = samples;
  }

  /** Time of the newest row, in milliseconds since 1970. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** Number of rows that were read. */
  get numRows(): number {
    return this.#numRows;
  }

  /**
   * Returns the times of the samples of the next row. A row without a time has that of the row before it.
   * @throws UserError (data) for a row that is earlier than the one before it, or cannot be replayed
   */
  next(samples: SampleReader, row: number): readonly number[] {
    const timeMs = samples.timeOf(row) ?? this.#timeMs;
    if (timeMs < this.#timeMs)
      throw this.#refuse(
        new ReplayError(
          this.#samples.timeColumn,
          'a time before that of an earlier row',
          'sort the training set by this column',
        ),
      );
    try {
      const times = samples.list(row).map(({ afterMs }) => timeMs + afterMs);
      this.#timeMs = timeMs;
      this.#numRows++;
      return times;
    } catch (error) {
      if (!(error instanceof ReplayError)) throw error;
      throw this.#refuse(error);
    }
  }

  #refuse({ column, message, fix }: ReplayError): UserError {
    return userError('data', {
      where: `row ${this.#numRows + 1} of the training set`,
      key: `column ${column}`,
      message: `found ${message}`,
      fix,
    });
  }
}
