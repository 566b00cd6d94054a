import { storedTime } from '../../delay/columns.js';
import { joinedEvents, type JoinedEvent, type JoinOptions } from '../join-options.js';
import type { ChunkStream, StreamChunk } from './chunk-stream.js';
import { TimeQueue } from '../../core/time-queue.js';
import type { CellBytes } from './cell-bytes.js';
import { parseStreamCursor } from './cursor.js';
import { createMatchCounter } from './event-matches.js';
import { joinCursor, type JoinCursor } from './join-cursor.js';
import type { JoinObserver, ReadCell } from './join-observer.js';
import { JoinedRecords } from './joined-records.js';
import type { NextSample } from './joined-samples.js';
import { RowPacker } from './packed-row.js';
import type { StreamCursor, StreamReading } from './record-stream.js';
import { MAX_ROW_WORDS } from './spilled-rows.js';
import { TimedRows, type InvalidRecord } from './timed-rows.js';
import { WaitingRows } from './waiting-rows.js';

/** Number of rows between two positions from which the waiting rows can be found again. */
const ROWS_PER_MARK = 1 << 12;

/** Positions of the logs before a row. */
interface Mark {
  readonly number: number;
  readonly logs: readonly StreamCursor[];
  /** Latest time of a record before. */
  readonly timeMs: number | null;
  /** Records of all logs before. */
  readonly records: number;
  // Of the rows from here to the next mark, with the invalid records between them:
  /** Records that were yielded, or are about to be. */
  yielded: number;
  /** Number of rows that wait. */
  waiting: number;
  /** Number of the last mark before a record that was refused because one of the waiting rows had its key. */
  neededUntil: number;
}

/**
 * Joins a stream of rows with logs of events. Records of all logs are taken in order of time; of equal times, rows come
 * before events. A row is yielded when no event can follow, with 1 or 0 and the time of each event. Rows for which this
 * is not known at the end of the logs are not yielded.
 *
 * With `nextSample`, a row is yielded once per sample instead, when a record is later than the sample: with the events
 * that have happened, and the number of the sample in `SAMPLE_COLUMN`. Samples are in order of time, and of equal times
 * in the order of the rows. An event that a log has out of order happens when it is read.
 *
 * The position is the position of the logs before the oldest row that waits: waiting rows are found again by reading
 * from there. The result depends on the logs alone.
 */
export function joinStreams(
  rows: ChunkStream,
  logs: readonly ChunkStream[],
  columns: readonly string[],
  options: JoinOptions,
  nextSample?: NextSample,
): ChunkStream {
  return {
    name: rows.name,
    read: (reading) => new Join(rows, logs, columns, options, nextSample, reading).read(),
    async lag() {
      const lags = await Promise.all([rows, ...logs].map((each) => each.lag()));
      const known = lags.filter((lag) => lag !== undefined);
      if (known.length < lags.length) return undefined;
      return { amount: known.reduce((sum, { amount }) => sum + amount, 0), unit: known[0]!.unit };
    },
    async close() {
      await Promise.all([rows, ...logs].map((each) => each.close()));
    },
  };
}

/** A read of all logs. */
class Join {
  readonly #name: string;
  readonly #options: JoinOptions;
  readonly #nextSample: NextSample | undefined;
  readonly #events: readonly JoinedEvent[];
  /** Index of the column with the key of a row. */
  readonly #keyColumn: number;
  readonly #inputs: readonly TimedRows[];
  readonly #packer: RowPacker;
  readonly #waiting: WaitingRows;
  readonly #closing = new TimeQueue();
  readonly #output: JoinedRecords;
  readonly #marks: Mark[] = [];
  readonly #countMatch: ReturnType<typeof createMatchCounter>;
  readonly #reading: StreamReading;
  readonly #observers: readonly JoinObserver[];
  #rows = 0;
  /** Records of all logs that were read. */
  #records = 0;
  #nowMs = -Infinity;
  #skip = 0;

  constructor(
    rows: ChunkStream,
    logs: readonly ChunkStream[],
    columns: readonly string[],
    options: JoinOptions,
    nextSample: NextSample | undefined,
    reading: StreamReading,
  ) {
    this.#reading = reading;
    this.#observers = reading.observers ?? [];
    this.#name = rows.name;
    this.#options = options;
    this.#nextSample = nextSample;
    this.#events = joinedEvents(options);
    this.#keyColumn = columns.indexOf(options.key);
    // Samples are computed from the times of label columns, so the logs are read with these.
    const convert = nextSample === undefined ? (timeMs: number) => timeMs : storedTime;
    const open = (stream: ChunkStream, own: readonly string[]): TimedRows =>
      new TimedRows(stream, own, options, convert);
    this.#inputs = [open(rows, columns), ...logs.map((log) => open(log, [options.key]))];
    this.#packer = new RowPacker(columns.length);
    this.#waiting = new WaitingRows(logs.length, options.memory * 2 ** 20);
    const numbering = { isNumbered: nextSample !== undefined, isObserved: this.#observers.length > 0 };
    this.#output = new JoinedRecords(rows.name, columns, options, numbering);
    this.#countMatch = createMatchCounter(this.#events);
  }

  async *read(): AsyncGenerator<StreamChunk> {
    const reading = this.#reading;
    const from = reading.from === undefined ? undefined : parseStreamCursor(this.#name, joinCursor, reading.from);
    this.#skip = from?.skip ?? 0;
    this.#nowMs = from?.timeMs ?? -Infinity;
    this.#records = from?.records ?? 0;
    for (const [i, input] of this.#inputs.entries()) input.start({ ...reading, from: from?.logs[i] ?? undefined });
    try {
      for (;;) {
        for (const input of this.#inputs) {
          if (input.isReady) continue;
          // A log may be silent for long.
          if (this.#output.length > 0) yield this.#takeChunk();
          await input.fill();
        }
        const log = this.#findNext();
        if (log < 0) break;
        this.#startRecord(log);
        // Each of them yields at most one record.
        while (this.#closing.first < this.#nowMs) {
          this.#closing.pop();
          this.#close(this.#closing.time, this.#closing.order, this.#closing.id);
          if (this.#output.isFull) yield this.#takeChunk();
        }
        this.#process(log);
        if (this.#output.isFull) yield this.#takeChunk();
      }
      if (this.#output.length > 0) yield this.#takeChunk();
    } finally {
      this.#waiting.close();
      await Promise.all(this.#inputs.map((input) => input.end()));
    }
  }

  /** Returns the number of the log with the earliest record; -1 if all have ended. */
  #findNext(): number {
    let first = -1;
    for (let log = 0; log < this.#inputs.length; log++) {
      const input = this.#inputs[log]!;
      if (!input.hasEnded && (first < 0 || input.timeMs < this.#inputs[first]!.timeMs)) first = log;
    }
    return first;
  }

  #startRecord(log: number): void {
    if (log === 0 && this.#rows % ROWS_PER_MARK === 0 && this.#marks.at(-1)?.number !== this.#rows) this.#addMark();
    this.#nowMs = Math.max(this.#nowMs, this.#inputs[log]!.timeMs);
  }

  #process(log: number): void {
    const input = this.#inputs[log]!;
    const { problem } = input;
    if (problem !== undefined) this.#refuse(problem);
    else if (log === 0) this.#addRow(input);
    else this.#addEvent(input, log - 1);
    for (const observer of this.#observers) observer.onRead(this.#records);
    this.#records++;
    input.advance();
  }

  #addMark(): void {
    this.#marks.push({
      number: this.#rows,
      logs: this.#inputs.map(({ position }) => position ?? null),
      timeMs: this.#nowMs === -Infinity ? null : this.#nowMs,
      records: this.#records,
      yielded: 0,
      waiting: 0,
      neededUntil: this.#rows,
    });
  }

  #addRow(input: TimedRows): void {
    const { timeMs, place } = input;
    const packer = this.#packer;
    packer.pack(input.values, input.row);
    const key = input.values[this.#keyColumn]!;
    const isMissing = key.begin === key.end;
    const other = isMissing ? undefined : this.#waiting.find(key);
    // A read from a later position would not find the other row, and accept this one.
    if (other !== undefined) this.#markOf(other).neededUntil = this.#marks.at(-1)!.number;
    if (isMissing || other !== undefined || packer.numWords > MAX_ROW_WORDS) {
      const a = `a ${this.#options.key}`;
      const expected = isMissing ? a : other === undefined ? 'a row of at most 4 MiB' : `${a} that no waiting row has`;
      this.#refuse({ expected, cells: input.cells, place });
      return;
    }
    const slot = this.#waiting.add(packer, key, { place, number: this.#rows++, timeMs, record: this.#records });
    for (const observer of this.#observers) observer.onRow(this.#records, this.#cellsOf(slot));
    this.#marks.at(-1)!.waiting++;
    this.#await(slot);
  }

  #addEvent(input: TimedRows, event: number): void {
    const timeMs = this.#nextSample === undefined ? input.timeMs : this.#nowMs;
    const [key] = input.values as [CellBytes];
    key.read(input.row);
    const slot = this.#waiting.find(key);
    const isInTime = slot !== undefined && this.#isOpen(slot, event, input.timeMs, timeMs);
    const warning = this.#countMatch(event, isInTime);
    if (warning !== undefined) this.#reading.onWarning(warning);
    // The first event counts.
    if (isInTime && Number.isNaN(this.#waiting.eventTime(slot, event))) {
      this.#waiting.setEvent(slot, event, timeMs);
      const { name } = this.#events[event]!;
      for (const observer of this.#observers) observer.onEvent(this.#records, name, this.#cellsOf(slot));
      this.#await(slot);
    }
  }

  /** Returns a function that reads the columns of a waiting row, and of the events that happened. */
  #cellsOf(slot: number): ReadCell {
    return (name) => this.#output.textOf(this.#waiting, slot, name);
  }

  /** Whether an event belongs to a row, if it happened at one time and counts from another one on. */
  #isOpen(slot: number, event: number, happenedMs: number, timeMs: number): boolean {
    const since = this.#beginOf(slot, event);
    return happenedMs >= since && timeMs <= since + this.#events[event]!.withinMs;
  }

  /** Returns the time from which an event of a row may happen; NaN if that before it did not. */
  #beginOf(slot: number, event: number): number {
    const { after } = this.#events[event]!;
    return after === undefined ? this.#waiting.columns.times[slot]! : this.#waiting.eventTime(slot, after);
  }

  /** Ends a row that is final, else notes until when it waits. */
  #await(slot: number): void {
    const closesMs = this.#closesAt(slot);
    const dueMs = this.#nextSample?.(this.#waiting, slot, closesMs) ?? closesMs;
    if (dueMs === undefined) this.#finish(slot);
    else this.#closing.push(dueMs, this.#waiting.columns.numbers[slot]!, slot);
  }

  /** Returns the last time at which an event of a row may happen; undefined if none may. */
  #closesAt(slot: number): number | undefined {
    let last: number | undefined;
    for (let event = 0; event < this.#events.length; event++) {
      if (!Number.isNaN(this.#waiting.eventTime(slot, event))) continue;
      const since = this.#beginOf(slot, event);
      if (!Number.isNaN(since)) last = Math.max(last ?? -Infinity, since + this.#events[event]!.withinMs);
    }
    return last;
  }

  /** Yields the sample of a row whose time is over, or ends the row, unless this was done before or it waits longer. */
  #close(timeMs: number, number: number, slot: number): void {
    if (this.#waiting.columns.numbers[slot] !== number) return;
    const closesMs = this.#closesAt(slot);
    const sampleMs = this.#nextSample?.(this.#waiting, slot, closesMs);
    if (sampleMs === undefined) {
      if (closesMs === undefined || closesMs < this.#nowMs) this.#finish(slot);
    } else if (sampleMs <= timeMs) {
      this.#yieldRow(slot);
      this.#await(slot);
    }
  }

  /** Ends the wait of a row that no event can change. */
  #finish(slot: number): void {
    if (this.#nextSample === undefined) this.#yieldRow(slot);
    this.#markOf(slot).waiting--;
    this.#waiting.remove(slot);
  }

  #yieldRow(slot: number): void {
    if (!this.#skips(this.#markOf(slot))) this.#output.addRow(this.#waiting, slot);
    this.#waiting.columns.numRecords[slot]!++;
  }

  /** Returns the last mark before a row. */
  #markOf(slot: number): Mark {
    const marks = this.#marks;
    // There is one for each ROWS_PER_MARK rows.
    return marks[Math.floor((this.#waiting.columns.numbers[slot]! - marks[0]!.number) / ROWS_PER_MARK)]!;
  }

  #refuse(invalid: InvalidRecord): void {
    if (this.#marks.length === 0) this.#addMark();
    if (!this.#skips(this.#marks.at(-1)!)) this.#output.addInvalid(invalid);
  }

  /** Counts a record after a mark; returns whether it was yielded before the position. */
  #skips(mark: Mark): boolean {
    mark.yielded++;
    if (this.#skip === 0) return false;
    this.#skip--;
    return true;
  }

  /** Returns the records to yield as a chunk. */
  #takeChunk(): StreamChunk {
    const { logs, timeMs, records } = this.#marks[0]!;
    const before = this.#marks.reduce((sum, { yielded }) => sum + yielded, -this.#output.length);
    const positionAfter = (count: number): JoinCursor => ({ logs: [...logs], skip: before + count, timeMs, records });
    const chunk = this.#output.take(positionAfter);
    this.#dropMarks();
    return chunk;
  }

  /** Drops the marks before the last one from which everything that is needed can be found again. */
  #dropMarks(): void {
    let dropped = 0;
    let neededUntil = -Infinity;
    for (let m = 0; m + 1 < this.#marks.length && this.#marks[m]!.waiting === 0; m++) {
      neededUntil = Math.max(neededUntil, this.#marks[m]!.neededUntil);
      if (neededUntil < this.#marks[m + 1]!.number) dropped = m + 1;
    }
    this.#marks.splice(0, dropped);
  }
}
