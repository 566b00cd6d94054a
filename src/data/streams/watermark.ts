import { parseDuration } from '../../core/duration.js';
import type { FollowOptions } from '../follow-options.js';
import type { ReadColumns } from '../../features/kinds/kind.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import { ColumnTimes } from './column-times.js';

/** Times of the records so far. JSON. */
export interface Lateness {
  /** Latest time of a record, in milliseconds since 1970; null before the first one. */
  watermark: number | null;
  /** Records that are older than one before them. */
  outOfOrder: number;
  /** Records that are older than one before them by more than the limit. */
  late: number;
}

/** Compares the time of each record with the latest one before it. */
export class Watermark {
  readonly #options: FollowOptions;
  /** Times of the records that were read. */
  readonly now: Lateness;

  constructor(options: FollowOptions, { watermark, outOfOrder, late }: Lateness) {
    this.#options = options;
    this.now = { watermark, outOfOrder, late };
  }

  /** Readers that refuse late records; none without a column of times. Each record is read once, in order. */
  readers(): readonly ReadColumns[] {
    const { time, timeFormat, maxLate } = this.#options;
    if (time === undefined) return [];
    const times = new ColumnTimes(timeFormat);
    const maxLateMs = maxLate === undefined ? Infinity : parseDuration(maxLate);
    return [
      (rows) => {
        times.start(rows.column(time), rows.count);
        rows.eachKept([time], (row) => this.#observe(times.at(row), maxLateMs));
      },
    ];
  }

  /** @throws InvalidValueError if the record is late */
  #observe(timeMs: number, maxLateMs: number): void {
    const { now } = this;
    const latest = now.watermark ?? timeMs;
    now.watermark = Math.max(latest, timeMs);
    if (timeMs < latest) now.outOfOrder++;
    if (latest - timeMs <= maxLateMs) return;
    now.late++;
    const { maxLate } = this.#options;
    throw new InvalidValueError(
      `a time at most ${maxLate} before the latest one, ${new Date(latest).toISOString()}`,
      'set a larger data.follow.maxLate',
    );
  }
}
