import { toNumbers } from '../../chunks/casts.js';
import type { Column } from '../../chunks/column.js';
import { countReader, instantReader, type TimeFormat } from '../../features/wall-clock.js';

/** Reads the times of a column, in milliseconds since 1970: as numbers, if it stores them, else as texts. */
export class ColumnTimes {
  readonly #ofText: (text: string) => number;
  readonly #ofCount: ((count: number) => number) | undefined;
  #column: Column | undefined;
  #counts: ArrayLike<number> | undefined;

  constructor(format: TimeFormat) {
    this.#ofText = instantReader(format);
    this.#ofCount = countReader(format);
  }

  /** Continues with the first rows of a chunk's column. */
  start(column: Column, rows: number): void {
    this.#column = column;
    // A Boolean is a number, but no time.
    const isNumber = this.#ofCount !== undefined && column.numbers?.isWhole !== false;
    const counts = isNumber ? toNumbers(column, rows) : undefined;
    // Numbers of a cut column are valid until another one is read.
    this.#counts = column.cut === undefined ? counts : counts?.slice(0, rows);
  }

  /** @throws InvalidValueError for a value that is no time */
  at(row: number): number {
    const count = this.#counts?.[row] ?? NaN;
    return Number.isNaN(count) ? this.#ofText(this.#column!.text(row)) : this.#ofCount!(count);
  }
}
