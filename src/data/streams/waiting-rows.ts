import { userError } from '../../core/errors.js';
import { growAll, grown } from '../../core/grown.js';
import { addKey, createKeyTable, findKey, removeKey } from '../../core/key-table.js';
import type { CellBytes } from './cell-bytes.js';
import type { RowPacker } from './packed-row.js';
import { blockOffset, SpilledRows, type Memory } from './spilled-rows.js';
import type { RecordPlace } from './timed-rows.js';

/** A packed row that waits for events: `numWords` words from an offset of memory, until another row is read. */
export interface WaitingRow {
  readonly memory: Memory;
  /** Offset of the row in bytes. */
  readonly offset: number;
  readonly numWords: number;
}

/** What is known of a row besides its values. */
interface RowFacts {
  readonly place: RecordPlace;
  /** Number of the row. */
  readonly number: number;
  readonly timeMs: number;
  /** Number of the row among the records of all logs. */
  readonly record: number;
}

/**
 * Rows that wait for events, found by their keys. Values of the oldest are on disk beyond a memory limit; the rest
 * takes about 90 bytes per row, and at most twice its key. Rows are named by slots, which are used again.
 */
export class WaitingRows {
  readonly #numEvents: number;
  readonly #rows: SpilledRows;
  /** Paths of rows, each once. */
  readonly #paths: string[] = [];
  /** Keys, whose ids are slots plus one. */
  readonly #keys = createKeyTable();
  readonly columns = {
    /** Time of a row, in milliseconds since 1970. */
    times: new Float64Array(0),
    /** Number of the row in a slot; -1 if no row waits there. */
    numbers: new Float64Array(0),
    /** Number of a row among the records of all logs. */
    records: new Float64Array(0),
    /** Number of records that a row has had. */
    numRecords: new Uint32Array(0),
    addresses: new Float64Array(0),
    lines: new Float64Array(0),
    pathNumbers: new Uint32Array(0),
    numWords: new Uint32Array(0),
  };
  #eventTimes = new Float64Array(0);

  /** @param memoryBytes maximum memory of values */
  constructor(numEvents: number, memoryBytes: number) {
    this.#numEvents = numEvents;
    this.#rows = new SpilledRows(memoryBytes);
  }

  /**
   * Adds a row with a key that no waiting row has; returns its slot.
   * @throws UserError (data) for more than 4 GiB of keys
   */
  add(
    { memory, numWords }: RowPacker,
    key: CellBytes,
    { place: { path, line }, number, timeMs, record }: RowFacts,
  ): number {
    const { columns } = this;
    const slot = addKey(this.#keys, key.bytes, key.begin, key.end) - 1;
    if (slot < 0)
      throw userError('data', {
        key: 'data.join',
        message: 'waiting rows have more than 4 GiB of keys',
        fix: 'shorten join.events.within',
      });
    if (slot >= columns.times.length) this.#grow(this.#keys.ends.length);
    columns.times[slot] = timeMs;
    columns.numbers[slot] = number;
    columns.addresses[slot] = this.#rows.add(memory.words, numWords);
    columns.lines[slot] = line;
    columns.records[slot] = record;
    columns.pathNumbers[slot] = this.#numberOfPath(path);
    columns.numWords[slot] = numWords;
    columns.numRecords[slot] = 0;
    this.#eventTimes.fill(NaN, slot * this.#numEvents, (slot + 1) * this.#numEvents);
    return slot;
  }

  /** Returns the slot of the row with a key; undefined if none waits. */
  find(key: CellBytes): number | undefined {
    const id = findKey(this.#keys, key.bytes, key.begin, key.end);
    return id === 0 ? undefined : id - 1;
  }

  /** Time of an event of a row; NaN if it did not happen. */
  eventTime(slot: number, event: number): number {
    return this.#eventTimes[slot * this.#numEvents + event]!;
  }

  setEvent(slot: number, event: number, timeMs: number): void {
    this.#eventTimes[slot * this.#numEvents + event] = timeMs;
  }

  /** Place of a row. */
  placeOf(slot: number): RecordPlace {
    return { path: this.#paths[this.columns.pathNumbers[slot]!]!, line: this.columns.lines[slot]! };
  }

  read(slot: number): WaitingRow {
    const address = this.columns.addresses[slot]!;
    const numWords = this.columns.numWords[slot]!;
    return { memory: this.#rows.memoryOf(address, numWords), offset: blockOffset(address), numWords };
  }

  remove(slot: number): void {
    removeKey(this.#keys, slot + 1);
    this.#rows.remove(this.columns.addresses[slot]!);
    this.columns.numbers[slot] = -1;
  }

  close(): void {
    this.#rows.close();
  }

  /** Returns the number of a path, which is most likely the number of the row before. */
  #numberOfPath(path: string): number {
    const known = this.#paths.lastIndexOf(path);
    return known >= 0 ? known : this.#paths.push(path) - 1;
  }

  #grow(slots: number): void {
    growAll(this.columns, slots);
    this.#eventTimes = grown(this.#eventTimes, slots * this.#numEvents);
  }
}
