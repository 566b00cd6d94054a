import type { InvalidLine } from '../../chunks/chunk.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import type { JoinOptions } from '../join-options.js';
import { CellBytes } from './cell-bytes.js';
import type { ChunkStream, StreamChunk } from './chunk-stream.js';
import { ColumnTimes } from './column-times.js';
import type { StreamCursor, StreamReading } from './record-stream.js';

/** Where a record is, for reports. */
export interface RecordPlace {
  readonly path: string;
  readonly line: number;
}

/** A record that cannot be joined. */
export interface InvalidRecord extends Pick<InvalidLine, 'expected' | 'cells'> {
  readonly place: RecordPlace;
}

/** The records of a stream, one at a time, with their times. */
export class TimedRows {
  readonly #stream: ChunkStream;
  readonly #time: string;
  readonly #times: ColumnTimes;
  readonly #convert: (timeMs: number) => number;
  readonly #columns: readonly string[];
  /** Values of the columns, at `row`. */
  readonly values: readonly CellBytes[];
  #chunks: AsyncGenerator<StreamChunk, undefined> | undefined;
  #each: StreamChunk | undefined;
  /** Row of the chunk with the next record, if it is valid. */
  row = 0;
  #line = 0;
  #position: StreamCursor;
  /** Whether the stream has no more records. */
  hasEnded = false;
  /** Time of the next record in milliseconds since 1970; −∞ if the record is invalid. */
  timeMs = -Infinity;
  /** Problem of the next record, if it is invalid. */
  problem: InvalidRecord | undefined;

  /**
   * @param columns columns whose values are read
   * @param convert converts a time
   */
  constructor(
    stream: ChunkStream,
    columns: readonly string[],
    { time, timeFormat }: JoinOptions,
    convert: (timeMs: number) => number,
  ) {
    this.#stream = stream;
    this.#time = time;
    this.#times = new ColumnTimes(timeFormat);
    this.#convert = convert;
    this.#columns = columns;
    this.values = columns.map(() => new CellBytes());
  }

  /** Begins to read; `from` undefined is the first record. */
  start(reading: StreamReading): void {
    this.#chunks = this.#stream.read(reading);
    this.#each = undefined;
    this.#position = reading.from;
    this.hasEnded = false;
  }

  /** Whether the next record is known, or that there is none. */
  get isReady(): boolean {
    return this.hasEnded || this.#each !== undefined;
  }

  /** Waits for the next chunk that has a record. */
  async fill(): Promise<void> {
    while (!this.isReady) {
      const { value, done = false } = await this.#chunks!.next();
      this.hasEnded = done;
      if (value !== undefined) this.#startChunk(value);
    }
  }

  #startChunk(each: StreamChunk): void {
    this.#each = each;
    this.row = this.#line = 0;
    const { rows, columns } = each.chunk;
    // A chunk without rows may have no columns.
    if (rows > 0) {
      for (let c = 0; c < this.#columns.length; c++) this.values[c]!.start(columns.get(this.#columns[c]!)!);
      this.#times.start(columns.get(this.#time)!, rows);
    }
    this.#findNext();
  }

  async end(): Promise<void> {
    await this.#chunks?.return(undefined);
  }

  /** Position before the next record; undefined at the first record of the stream. */
  get position(): StreamCursor {
    return this.#each === undefined ? this.#position : this.#each.cursorAfter(this.row, true);
  }

  /** Place of the next record. */
  get place(): RecordPlace {
    return this.#placeOf(this.#each!.chunk.lines?.[this.row] ?? this.row);
  }

  /** Values of the next record, for reports. */
  get cells(): readonly string[] {
    return this.#each!.chunk.cellsOf(this.row);
  }

  /** Moves to the record after the next one. */
  advance(): void {
    if (this.problem !== undefined && this.#isLine) this.#line++;
    else this.row++;
    this.#findNext();
  }

  /** Whether the next record is a line that is not a row. */
  get #isLine(): boolean {
    const line = this.#each!.chunk.invalid?.[this.#line];
    return line !== undefined && line.before <= this.row;
  }

  #findNext(): void {
    const { chunk } = this.#each!;
    this.problem = undefined;
    if (this.#isLine) {
      const { line, expected, cells } = chunk.invalid![this.#line]!;
      this.problem = { expected, cells, place: this.#placeOf(line) };
      this.timeMs = -Infinity;
    } else if (this.row < chunk.rows) this.#readTime();
    else {
      this.#position = this.#each!.cursorAfter(chunk.rows);
      this.#each = undefined;
    }
  }

  #readTime(): void {
    try {
      this.timeMs = this.#convert(this.#times.at(this.row));
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      this.timeMs = -Infinity;
      this.problem = { expected: `${error.expected} in ${this.#time}`, cells: this.cells, place: this.place };
    }
  }

  #placeOf(line: number): RecordPlace {
    const { columns, line: first, placeOf } = this.#each!;
    return placeOf?.(line) ?? { path: columns.path, line: first + line };
  }
}
