import type { InvalidLine } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { SAMPLE_COLUMN } from '../../delay/columns.js';
import { cellText } from '../../features/cell-text.js';
import { numberColumn } from '../../features/computed.js';
import { utf8Column } from '../../features/utf8-column.js';
import { formatTime } from '../../text/dates.js';
import { joinedColumns, joinedEvents, type JoinOptions } from '../join-options.js';
import type { FileColumns } from '../readers/cell-file.js';
import type { StreamChunk } from './chunk-stream.js';
import { linesBefore } from './cursor.js';
import { RECORD_COLUMN } from './join-observer.js';
import { beginOfValue, endOfValue } from './packed-row.js';
import type { StreamCursor } from './record-stream.js';
import { allocateMemory, copyWords, growMemory, type Memory } from './spilled-rows.js';
import type { InvalidRecord, RecordPlace } from './timed-rows.js';
import type { WaitingRows } from './waiting-rows.js';

/** Maximum number of records per chunk. */
const CHUNK_RECORDS = 1 << 12;
/** Bytes of values beyond which a chunk ends. */
const CHUNK_BYTES = 1 << 22;
const FIRST_BYTES = 1 << 18;

/** Records of a join until they are yielded as a chunk; the next chunk uses their memory again. */
export class JoinedRecords {
  readonly #options: JoinOptions;
  readonly #numColumns: number;
  readonly #numEvents: number;
  readonly #isNumbered: boolean;
  readonly #isObserved: boolean;
  readonly #columns: FileColumns;
  /** Values of the columns of all rows. */
  #memory: Memory = allocateMemory(FIRST_BYTES);
  #usedWords = 0;
  /** By row: where the first value begins, and where each ends. */
  readonly #ends: Uint32Array;
  /** By row: time of each event, NaN if it did not happen. */
  readonly #eventTimes: Float64Array;
  /** By row: its number among the records of the same row of the log. */
  readonly #numbers = new Float64Array(CHUNK_RECORDS);
  /** By row: its number among the records of all logs. */
  readonly #records = new Float64Array(CHUNK_RECORDS);
  #lines: number[] = [];
  #places: RecordPlace[] = [];
  #invalid: InvalidLine[] = [];

  /**
   * @param path name of the records
   * @param columns names of the columns of the rows
   * @param numbering whether records of the same row are numbered, and whether rows have `RECORD_COLUMN`
   */
  constructor(
    path: string,
    columns: readonly string[],
    options: JoinOptions,
    { isNumbered, isObserved }: { readonly isNumbered: boolean; readonly isObserved: boolean },
  ) {
    this.#options = options;
    this.#numColumns = columns.length;
    this.#numEvents = joinedEvents(options).length;
    this.#isNumbered = isNumbered;
    this.#isObserved = isObserved;
    const header = [...columns, ...joinedColumns(options), ...(isNumbered ? [SAMPLE_COLUMN] : [])];
    this.#columns = { path, header, indices: new Map(header.map((name, c) => [name, c])) };
    this.#ends = new Uint32Array(CHUNK_RECORDS * (this.#numColumns + 1));
    this.#eventTimes = new Float64Array(CHUNK_RECORDS * this.#numEvents);
  }

  get length(): number {
    return this.#places.length;
  }

  /** Whether the records have to be taken before others are added. */
  get isFull(): boolean {
    return this.length >= CHUNK_RECORDS || 4 * this.#usedWords >= CHUNK_BYTES;
  }

  /** Adds a row with the events that happened. */
  addRow(rows: WaitingRows, slot: number): void {
    const row = this.#lines.push(this.length) - 1;
    this.#copyValues(rows, slot, row);
    const first = row * this.#numEvents;
    for (let e = 0; e < this.#numEvents; e++) this.#eventTimes[first + e] = rows.eventTime(slot, e);
    this.#numbers[row] = rows.columns.numRecords[slot]!;
    this.#records[row] = rows.columns.records[slot]!;
    this.#places.push(rows.placeOf(slot));
  }

  addInvalid({ place, expected, cells }: InvalidRecord): void {
    this.#invalid.push({ before: this.#lines.length, line: this.length, expected, cells });
    this.#places.push(place);
  }

  /**
   * Takes all records as a chunk.
   * @param positionAfter returns the position after the first records
   */
  take(positionAfter: (numRecords: number) => StreamCursor): StreamChunk {
    const [lines, places, invalid] = [this.#lines, this.#places, this.#invalid];
    const [rows, numLines] = [lines.length, places.length];
    const columns = new Map(this.#listColumns(rows).map((column, c) => [this.#columns.header[c]!, column]));
    const all = [...columns.values()];
    if (this.#isObserved) columns.set(RECORD_COLUMN, numberColumn(this.#records));
    this.#usedWords = 0;
    this.#lines = [];
    this.#places = [];
    this.#invalid = [];
    const cellsOf = (row: number): string[] => all.map(({ text }) => text(row));
    const chunk = { rows, columns, lines, numLines, invalid, cellsOf };
    return {
      chunk,
      columns: this.#columns,
      line: 1,
      cursorAfter: (count, excludesRest = false) => positionAfter(linesBefore(chunk, count, excludesRest)),
      placeOf: (line) => places[line]!,
    };
  }

  /** Returns the text of a column of a waiting row, or of an event of it. */
  textOf(rows: WaitingRows, slot: number, name: string): string {
    const at = this.#columns.indices.get(name)!;
    if (at >= this.#numColumns) return this.#eventText(rows, slot, at - this.#numColumns);
    const { memory, offset } = rows.read(slot);
    const { buffer, byteOffset, length } = memory.bytes;
    const bytes = Buffer.from(buffer, byteOffset, length);
    const begin = beginOfValue(memory, offset, this.#numColumns, at);
    return cellText(bytes, begin, endOfValue(memory, offset, this.#numColumns, at));
  }

  /** Returns the text of a column of an event: whether it happened, or its time. */
  #eventText(rows: WaitingRows, slot: number, column: number): string {
    const timeMs = rows.eventTime(slot, column >> 1);
    const hasHappened = !Number.isNaN(timeMs);
    if (column % 2 === 0) return hasHappened ? '1' : '0';
    return hasHappened ? this.#timeText(timeMs) : '';
  }

  #timeText(timeMs: number): string {
    const { timeFormat } = this.#options;
    return timeFormat === 'iso' ? formatTime(timeMs) : String(timeFormat === 'seconds' ? timeMs / 1000 : timeMs);
  }

  #copyValues(rows: WaitingRows, slot: number, row: number): void {
    const { memory, offset, numWords } = rows.read(slot);
    const numColumns = this.#numColumns;
    const [begin, count] = [(offset >> 2) + numColumns, numWords - numColumns];
    const at = this.#usedWords;
    if (at + count > this.#memory.words.length) this.#memory = growMemory(this.#memory, 4 * (at + count));
    copyWords(memory.words, begin, this.#memory.words, at, count);
    this.#usedWords += count;
    const first = row * (numColumns + 1);
    this.#ends[first] = 4 * at;
    for (let c = 0; c < numColumns; c++) this.#ends[first + 1 + c] = 4 * at + memory.words[(offset >> 2) + c]!;
  }

  /** Lists the columns in the order of the header. */
  #listColumns(rows: number): readonly Column[] {
    const { bytes } = this.#memory;
    const stride = this.#numColumns + 1;
    const values = Array.from({ length: this.#numColumns }, (_, c) =>
      utf8Column({ bytes, begins: this.#ends.subarray(c), ends: this.#ends.subarray(c + 1), stride, gap: 0 }, rows),
    );
    const events = Array.from({ length: this.#numEvents }, (_, e) => this.#eventColumns(rows, e)).flat();
    return [...values, ...events, ...(this.#isNumbered ? [numberColumn(this.#numbers)] : [])];
  }

  /** Returns the columns of an event: whether it happened, and its time. */
  #eventColumns(rows: number, event: number): readonly [Column, Column] {
    const times = new Float64Array(rows).map((_, row) => this.#eventTimes[row * this.#numEvents + event]!);
    const happened = times.map((timeMs) => (Number.isNaN(timeMs) ? 0 : 1));
    const text = (row: number): string => (happened[row] === 0 ? '' : this.#timeText(times[row]!));
    const { timeFormat } = this.#options;
    if (timeFormat === 'iso') return [numberColumn(happened), { type: 'string', text }];
    return [numberColumn(happened), numberColumn(timeFormat === 'seconds' ? times.map((ms) => ms / 1000) : times)];
  }
}
