import {
  appendRows,
  batchStorage,
  compactRows,
  createRowBlock,
  gatherRows,
  reserveRows,
  type BlockColumn,
  type RowBlock,
} from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import { countAtMost } from '../../core/count-at-most.js';
import { LogOrder } from './log-order.js';
import type { RowSamples } from './row-samples.js';
import { TimeQueue } from '../../core/time-queue.js';

/** Rows without samples are removed if there are at least as many. */
const MIN_REMOVED_ROWS = 4096;
/** Exclusive upper bound of the samples of a row, which the queue orders by row, then by index. */
const MAX_ROW_SAMPLES = 1024;

/**
 * Replays a log as a trainer would have seen it: rows are added in order of time, and each of their samples can be
 * taken once the newest row is as late as the sample. Samples are ordered by time, then by row, whatever the sizes of
 * the batches that are added and taken. Memory holds the rows with samples that were not taken.
 */
export class LogReplay {
  readonly #samples: RowSamples;
  readonly #order: LogOrder;
  /** Samples that wait for their time; the slot of each is its index among the samples of its row. */
  readonly #waiting = new TimeQueue();
  /** Samples that are due, in order. */
  #ready: { readonly number: number; readonly index: number }[] = [];
  #columns: readonly BlockColumn[] = [];
  #block: RowBlock | undefined;
  #target: RowBlock | undefined;
  /** By row of the block: its number, and how many of its samples were not taken. */
  #numbers: number[] = [];
  #left: number[] = [];
  #numDone = 0;

  constructor(samples: RowSamples) {
    this.#samples = samples;
    this.#order = new LogOrder(samples);
  }

  /** Number of samples that are due. */
  get numReady(): number {
    return this.#ready.length;
  }

  /** Number of rows in memory. */
  get numRows(): number {
    return this.#numbers.length;
  }

  /**
   * Adds rows of the log.
   * @throws UserError (data) for a row that is earlier than the one before it, or cannot be replayed
   */
  add(batch: Batch): void {
    if (this.#block === undefined) this.#columns = batchStorage(batch);
    const block = (this.#block ??= createRowBlock(this.#columns, batch.rows));
    const begin = block.rows;
    reserveRows(block, this.#columns, begin + batch.rows);
    appendRows(batch, this.#columns, 0, batch.rows, block);
    const samples = this.#samples.reader(block);
    for (let row = begin; row < block.rows; row++) {
      const number = this.#order.numRows;
      const times = this.#order.next(samples, row);
      for (const [index, timeMs] of times.entries())
        this.#waiting.push(timeMs, number * MAX_ROW_SAMPLES + index, index);
      this.#numbers.push(number);
      this.#left.push(times.length);
      if (times.length === 0) this.#numDone++;
    }
    while (this.#waiting.first <= this.#order.timeMs) {
      this.#waiting.pop();
      this.#ready.push({ number: this.#waiting.order, index: this.#waiting.id });
    }
  }

  /**
   * Takes the next samples that are due.
   * @param limit maximum number of samples
   * @returns rows with the labels of the samples, valid until the next call; undefined if none is due
   */
  take(limit: number): Batch | undefined {
    const block = this.#block;
    if (this.#ready.length === 0 || block === undefined) return undefined;
    const taken = this.#ready.splice(0, limit);
    const places = Uint32Array.from(taken, ({ number }) => this.#placeOf(Math.floor(number / MAX_ROW_SAMPLES)));
    const target = (this.#target ??= createRowBlock(this.#columns, limit));
    target.rows = 0;
    reserveRows(target, this.#columns, taken.length);
    gatherRows(block, this.#columns, places, taken.length, target);
    const [samples, write] = [this.#samples.reader(block), this.#samples.writer(target)];
    for (const [i, { index }] of taken.entries()) {
      const place = places[i]!;
      write(samples.list(place)[index]!, i);
      if (--this.#left[place]! === 0) this.#numDone++;
    }
    if (this.#numDone >= MIN_REMOVED_ROWS && 2 * this.#numDone >= block.rows) this.#removeDone(block);
    return target;
  }

  #placeOf(number: number): number {
    return countAtMost(this.#numbers, number) - 1;
  }

  /** Removes the rows whose samples were all taken. */
  #removeDone(block: RowBlock): void {
    const kept = Uint32Array.from(this.#left.flatMap((left, place) => (left > 0 ? [place] : [])));
    compactRows(block, this.#columns, 0, kept, kept.length);
    block.rows = kept.length;
    this.#numbers = Array.from(kept, (place) => this.#numbers[place]!);
    this.#left = Array.from(kept, (place) => this.#left[place]!);
    this.#numDone = 0;
  }
}
