import type { Column } from '../../chunks/column.js';
import { SAMPLE_COLUMN, storedTime } from '../../delay/columns.js';
import { numberColumn } from '../../features/computed.js';
import { instantReader } from '../../features/wall-clock.js';
import { formatTime } from '../../text/dates.js';
import { joinedColumns, joinedEvents, type JoinedEvent, type JoinOptions } from '../join-options.js';
import type { FileColumns } from '../readers/cell-file.js';
import type { ChunkStream, StreamChunk } from './chunk-stream.js';
import { TimeHeap, type TimedSlot } from '../replay/time-heap.js';
import { parseStreamCursor } from './cursor.js';
import { EventMatches } from './event-matches.js';
import { joinCursor, type JoinCursor } from './join-cursor.js';
import { RECORD_COLUMN, type JoinObserver, type ReadCell } from './join-observer.js';
import type { JoinedSamples } from './joined-samples.js';
import type { StreamCursor, StreamLag, StreamReading } from './record-stream.js';
import { TimedRows, type InvalidRecord, type RecordPlace } from './timed-rows.js';
import { WaitingRows } from './waiting-rows.js';

/** Maximum number of records per chunk. */
const CHUNK_RECORDS = 1 << 12;
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
  /** Records that were yielded. */
  yielded: number;
  /** Rows that wait, and records that are about to be yielded. */
  open: number;
  /** Number of the last mark before a record that was refused because one of these rows waited. */
  neededUntil: number;
}

/** A record to yield: a row with the events that happened, or an invalid record. */
interface JoinedRecord {
  readonly place: RecordPlace;
  readonly texts?: readonly string[];
  /** Number of the row among the records of all logs. */
  readonly record?: number;
  readonly invalid?: InvalidRecord;
  readonly mark: Mark;
}

/**
 * Joins a stream of rows with logs of events. Records of all logs are taken in order of time; of equal times, rows come
 * before events. A row is yielded when no event can follow, with 1 or 0 and the time of each event. Rows for which
 * this is not known at the end of the logs are not yielded.
 *
 * With `samples`, a row is yielded once per sample instead, when a record is later than the sample: with the events
 * that have happened, and the number of the sample in `SAMPLE_COLUMN`. Samples are in order of time, and of equal times
 * in that of the rows. An event that a log has out of order happens when it is read.
 *
 * The position is that of the logs before the oldest row that waits: waiting rows are found again by reading from
 * there. The result depends on the logs alone.
 */
export function joinStreams(
  rows: ChunkStream,
  logs: readonly ChunkStream[],
  columns: readonly string[],
  options: JoinOptions,
  samples?: JoinedSamples,
): ChunkStream {
  return {
    name: rows.name,
    read: (reading) => new Join(rows, logs, columns, options, samples, reading.observer).read(reading),
    async lag() {
      const lags = await Promise.all([rows, ...logs].map((each) => each.lag()));
      return lags.some((lag) => lag === undefined) ? undefined : sumLags(lags as StreamLag[]);
    },
    async close() {
      await Promise.all([rows, ...logs].map((each) => each.close()));
    },
  };
}

function sumLags(lags: readonly StreamLag[]): StreamLag {
  return { amount: lags.reduce((sum, { amount }) => sum + amount, 0), unit: lags[0]!.unit };
}

/** A read of all logs. */
class Join {
  readonly #name: string;
  readonly #options: JoinOptions;
  readonly #samples: JoinedSamples | undefined;
  readonly #events: readonly JoinedEvent[];
  /** Columns of the rows. */
  readonly #columns: readonly string[];
  readonly #inputs: readonly TimedRows[];
  readonly #waiting: WaitingRows;
  readonly #closing = new TimeHeap();
  readonly #output: JoinedRecord[] = [];
  readonly #marks: Mark[] = [];
  readonly #matches: EventMatches;
  readonly #fileColumns: FileColumns;
  readonly #observer: JoinObserver | undefined;
  #onWarning: StreamReading['onWarning'] = () => undefined;
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
    samples: JoinedSamples | undefined,
    observer: JoinObserver | undefined,
  ) {
    this.#observer = observer;
    this.#name = rows.name;
    this.#options = options;
    this.#samples = samples;
    this.#events = joinedEvents(options);
    this.#columns = columns;
    const read = instantReader(options.timeFormat);
    // Samples are computed from the times of label columns, so the logs are read with these.
    const parse = samples === undefined ? read : (text: string): number => storedTime(read(text));
    this.#inputs = [rows, ...logs].map((stream) => new TimedRows(stream, options.time, parse));
    this.#waiting = new WaitingRows(columns.indexOf(options.key), logs.length, options.memory * 2 ** 20);
    const names = [...columns, ...joinedColumns(options), ...(samples === undefined ? [] : [SAMPLE_COLUMN])];
    this.#fileColumns = { path: rows.name, header: names, indices: new Map(names.map((name, c) => [name, c])) };
    this.#matches = new EventMatches(this.#events);
  }

  async *read(reading: StreamReading): AsyncGenerator<StreamChunk> {
    const from = reading.from === undefined ? undefined : parseStreamCursor(this.#name, joinCursor, reading.from);
    this.#skip = from?.skip ?? 0;
    this.#nowMs = from?.timeMs ?? -Infinity;
    this.#records = from?.records ?? 0;
    this.#onWarning = (text) => reading.onWarning(text);
    for (const [i, input] of this.#inputs.entries()) input.start({ ...reading, from: from?.logs[i] ?? undefined });
    try {
      for (;;) {
        for (const input of this.#inputs) {
          if (input.isReady) continue;
          // A log may be silent for long.
          if (this.#output.length > 0) yield this.#takeChunk();
          await input.fill();
        }
        const input = this.#findNext();
        if (input === undefined) break;
        this.#process(input);
        if (this.#output.length >= CHUNK_RECORDS) yield this.#takeChunk();
      }
      if (this.#output.length > 0) yield this.#takeChunk();
    } finally {
      this.#waiting.close();
      await Promise.all(this.#inputs.map((input) => input.end()));
    }
  }

  /** Returns the log with the earliest record; undefined if all have ended. */
  #findNext(): TimedRows | undefined {
    let first: TimedRows | undefined;
    for (const input of this.#inputs)
      if (!input.hasEnded && (first === undefined || input.timeMs < first.timeMs)) first = input;
    return first;
  }

  #process(input: TimedRows): void {
    const { timeMs, problem } = input;
    const log = this.#inputs.indexOf(input);
    if (log === 0 && this.#rows % ROWS_PER_MARK === 0 && this.#marks.at(-1)?.number !== this.#rows) this.#addMark();
    this.#nowMs = Math.max(this.#nowMs, timeMs);
    while (this.#closing.first < this.#nowMs) this.#close(this.#closing.pop());
    if (problem !== undefined) this.#refuse(problem);
    else if (log === 0) this.#addRow(input);
    else this.#addEvent(input, log - 1);
    this.#observer?.onRead(this.#records);
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
      open: 0,
      neededUntil: this.#rows,
    });
  }

  #addRow(input: TimedRows): void {
    const { timeMs, place } = input;
    const key = input.text(this.#options.key);
    const other = key === '' ? undefined : this.#waiting.find(key);
    if (key === '' || other !== undefined) {
      // A read from a later position would not find the other row, and accept this one.
      if (other !== undefined) this.#markOf(other).neededUntil = this.#marks.at(-1)!.number;
      const expected = key === '' ? `a ${this.#options.key}` : `a ${this.#options.key} that no waiting row has`;
      this.#refuse({ expected, cells: input.cells, place });
      return;
    }
    const own = [place.path, String(place.line), String(this.#records)];
    const texts = [...this.#columns.map((name) => input.text(name)), ...own];
    const slot = this.#waiting.add(texts, this.#rows++, timeMs);
    this.#observer?.onRow(this.#records, (name) => input.text(name));
    this.#marks.at(-1)!.open++;
    this.#await(slot);
  }

  #addEvent(input: TimedRows, event: number): void {
    const timeMs = this.#samples === undefined ? input.timeMs : this.#nowMs;
    const slot = this.#waiting.find(input.text(this.#options.key));
    const isInTime = slot !== undefined && this.#isOpen(slot, event, input.timeMs, timeMs);
    const warning = this.#matches.count(event, isInTime);
    if (warning !== undefined) this.#onWarning(warning);
    // The first event counts.
    if (isInTime && Number.isNaN(this.#waiting.eventTime(slot, event))) {
      this.#waiting.setEvent(slot, event, timeMs);
      this.#observer?.onEvent(this.#records, this.#events[event]!.name, this.#cellsOf(slot));
      this.#await(slot);
    }
  }

  /** Returns a function that reads the columns of a waiting row, and of the events that happened. */
  #cellsOf(slot: number): ReadCell {
    const { texts, eventTimes } = this.#waiting.read(slot);
    const cells = this.#withEvents(texts, eventTimes);
    return (name) => cells[this.#fileColumns.indices.get(name)!]!;
  }

  /** Returns the values of the columns of a row with those of its events. */
  #withEvents(texts: readonly string[], eventTimes: Float64Array): readonly string[] {
    const joined = this.#events.flatMap((_, e) => {
      const timeMs = eventTimes[e]!;
      return Number.isNaN(timeMs) ? ['0', ''] : ['1', this.#formatTime(timeMs)];
    });
    return [...texts.slice(0, this.#columns.length), ...joined];
  }

  /** Whether an event belongs to a row, if it happened at one time and counts from another one on. */
  #isOpen(slot: number, event: number, happenedMs: number, timeMs: number): boolean {
    const { after, withinMs } = this.#events[event]!;
    const since = after === undefined ? this.#waiting.timeOf(slot) : this.#waiting.eventTime(slot, after);
    return happenedMs >= since && timeMs <= since + withinMs;
  }

  /** Ends a row that is final, else notes until when it waits. */
  #await(slot: number): void {
    const closesMs = this.#closesAt(slot);
    const dueMs = this.#sampleTime(slot, closesMs) ?? closesMs;
    if (dueMs === undefined) this.#finish(slot);
    else this.#closing.push(dueMs, this.#waiting.numberOf(slot), slot);
  }

  /** Returns the time of the next sample of a row; undefined if it has no more as far as is known. */
  #sampleTime(slot: number, closesMs: number | undefined): number | undefined {
    const waiting = this.#waiting;
    const times = this.#samples?.times(waiting.timeOf(slot), waiting.eventTimes(slot), closesMs);
    return times?.[waiting.numRecords(slot)];
  }

  /** Returns the last time at which an event of a row may happen; undefined if none may. */
  #closesAt(slot: number): number | undefined {
    let last: number | undefined;
    for (const [event, { after, withinMs }] of this.#events.entries()) {
      if (!Number.isNaN(this.#waiting.eventTime(slot, event))) continue;
      const since = after === undefined ? this.#waiting.timeOf(slot) : this.#waiting.eventTime(slot, after);
      if (!Number.isNaN(since)) last = Math.max(last ?? -Infinity, since + withinMs);
    }
    return last;
  }

  /** Yields the sample of a row whose time is over, or ends the row, unless this was done before or it waits longer. */
  #close({ timeMs, slot, number }: TimedSlot): void {
    if (!this.#waiting.has(slot, number)) return;
    const closesMs = this.#closesAt(slot);
    const sampleMs = this.#sampleTime(slot, closesMs);
    if (sampleMs === undefined) {
      if (closesMs === undefined || closesMs < this.#nowMs) this.#finish(slot);
    } else if (sampleMs <= timeMs) {
      this.#yieldRow(slot);
      this.#await(slot);
    }
  }

  /** Ends the wait of a row that no event can change. */
  #finish(slot: number): void {
    if (this.#samples === undefined) this.#yieldRow(slot);
    this.#markOf(slot).open--;
    this.#waiting.remove(slot);
  }

  #yieldRow(slot: number): void {
    const { texts, eventTimes } = this.#waiting.read(slot);
    const [path, line, record] = texts.slice(-3) as [string, string, string];
    const sample = this.#samples === undefined ? [] : [String(this.#waiting.numRecords(slot))];
    this.#waiting.countRecord(slot);
    const place = { path, line: Number(line) };
    const values = [...this.#withEvents(texts, eventTimes), ...sample];
    this.#emit({ place, texts: values, record: Number(record), mark: this.#markOf(slot) });
  }

  /** Returns the last mark before a row. */
  #markOf(slot: number): Mark {
    const number = this.#waiting.numberOf(slot);
    return this.#marks.findLast((each) => each.number <= number)!;
  }

  #refuse(invalid: InvalidRecord): void {
    if (this.#marks.length === 0) this.#addMark();
    this.#emit({ place: invalid.place, invalid, mark: this.#marks.at(-1)! });
  }

  #emit(record: JoinedRecord): void {
    record.mark.open++;
    if (this.#skip === 0) this.#output.push(record);
    else {
      this.#skip--;
      countYielded(record);
    }
  }

  #formatTime(timeMs: number): string {
    const { timeFormat } = this.#options;
    return timeFormat === 'iso' ? formatTime(timeMs) : String(timeFormat === 'seconds' ? timeMs / 1000 : timeMs);
  }

  /** Returns the records to yield as a chunk. */
  #takeChunk(): StreamChunk {
    const records = this.#output.splice(0);
    const valid = records.flatMap(({ texts, record = 0 }, line) =>
      texts === undefined ? [] : [{ texts, record, line }],
    );
    const textColumn = (c: number): Column => ({ type: 'text', text: (row) => valid[row]!.texts[c]! });
    const columns = new Map(this.#fileColumns.header.map((name, c) => [name, textColumn(c)]));
    if (this.#observer !== undefined)
      columns.set(RECORD_COLUMN, numberColumn(Float64Array.from(valid, ({ record }) => record)));
    let before = 0;
    const invalid = records.flatMap((each, line) => {
      if (each.invalid === undefined) {
        before++;
        return [];
      }
      return [{ before, line, expected: each.invalid.expected, cells: each.invalid.cells }];
    });
    const positionAfter = this.#yield(records);
    return {
      chunk: {
        rows: valid.length,
        columns,
        lines: valid.map(({ line }) => line),
        numLines: records.length,
        invalid,
        cellsOf: (row) => valid[row]!.texts,
      },
      columns: this.#fileColumns,
      line: 1,
      cursorAfter(rows, excludesRest = false) {
        const isAll = rows === valid.length && !excludesRest;
        return positionAfter(isAll ? records.length : rows === 0 ? 0 : valid[rows - 1]!.line + 1);
      },
      placeOf: (line) => records[line]!.place,
    };
  }

  /** Drops the marks before the last one from which everything that is needed can be found again. */
  #dropMarks(): void {
    let dropped = 0;
    let neededUntil = -Infinity;
    for (let m = 0; m + 1 < this.#marks.length && this.#marks[m]!.open === 0; m++) {
      neededUntil = Math.max(neededUntil, this.#marks[m]!.neededUntil);
      if (neededUntil < this.#marks[m + 1]!.number) dropped = m + 1;
    }
    this.#marks.splice(0, dropped);
  }

  /** Counts records as yielded; returns a function from a number of them to the position after them. */
  #yield(records: readonly JoinedRecord[]): (count: number) => JoinCursor {
    this.#dropMarks();
    const { logs, timeMs, records: recordsBeforeMark } = this.#marks[0]!;
    const before = this.#marks.reduce((sum, { yielded }) => sum + yielded, 0);
    records.forEach(countYielded);
    return (numRecords) => ({ logs: [...logs], skip: before + numRecords, timeMs, records: recordsBeforeMark });
  }
}

function countYielded({ mark }: JoinedRecord): void {
  mark.yielded++;
  mark.open--;
}
