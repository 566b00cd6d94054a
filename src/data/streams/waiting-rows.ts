import { grown } from '../../core/grown.js';
import { fillPlace, idAt, indexWords, probe, removeId, reserveIds } from '../../core/hash-index.js';
import { hashKey } from '../../core/key-table.js';
import type { CellBytes } from './cell-bytes.js';
import { beginOfValue, endOfValue, type RowPacker } from './packed-row.js';
import { offsetOf, SpilledRows, type Memory } from './spilled-rows.js';
import type { RecordPlace } from './timed-rows.js';

const FIRST_SLOTS = 1 << 10;

/** A packed row that waits for events: `numWords` words from an offset of memory, until another row is read. */
export interface WaitingRow {
  readonly memory: Memory;
  /** Offset in bytes. */
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
 * takes about 80 bytes per row. Rows are named by slots, which are used again.
 */
export class WaitingRows {
  readonly #numColumns: number;
  readonly #keyColumn: number;
  readonly #numEvents: number;
  readonly #rows: SpilledRows;
  /** Paths of rows, each once. */
  readonly #paths: string[] = [];
  readonly #free: number[] = [];
  #used = 0;
  // By slot:
  /** Time of a row, in milliseconds since 1970. */
  times = new Float64Array(FIRST_SLOTS);
  /** Number of the row in a slot; -1 if no row waits there. */
  numbers = new Float64Array(FIRST_SLOTS);
  /** Number of a row among the records of all logs. */
  records = new Float64Array(FIRST_SLOTS);
  /** Number of records that a row has had. */
  numRecords = new Uint32Array(FIRST_SLOTS);
  #addresses = new Float64Array(FIRST_SLOTS);
  #lines = new Float64Array(FIRST_SLOTS);
  #pathNumbers = new Uint32Array(FIRST_SLOTS);
  #numWords = new Uint32Array(FIRST_SLOTS);
  #hashes = new Uint32Array(FIRST_SLOTS);
  #eventTimes: Float64Array;
  /** Slots plus one by the hash of the key. */
  #index: Int32Array = new Int32Array(indexWords(FIRST_SLOTS)!);

  /**
   * @param keyColumn index of the column with the key
   * @param memoryBytes maximum memory of values
   */
  constructor(numColumns: number, keyColumn: number, numEvents: number, memoryBytes: number) {
    this.#numColumns = numColumns;
    this.#keyColumn = keyColumn;
    this.#numEvents = numEvents;
    this.#rows = new SpilledRows(memoryBytes);
    this.#eventTimes = new Float64Array(FIRST_SLOTS * numEvents);
  }

  /** Adds a row with a key that no waiting row has; returns its slot. */
  add(
    { memory, numWords }: RowPacker,
    key: CellBytes,
    { place: { path, line }, number, timeMs, record }: RowFacts,
  ): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot === this.times.length) this.#grow();
    this.times[slot] = timeMs;
    this.numbers[slot] = number;
    this.#addresses[slot] = this.#rows.add(memory.words, numWords);
    this.#lines[slot] = line;
    this.records[slot] = record;
    this.#pathNumbers[slot] = this.#numberOfPath(path);
    this.#numWords[slot] = numWords;
    this.numRecords[slot] = 0;
    this.#eventTimes.fill(NaN, slot * this.#numEvents, (slot + 1) * this.#numEvents);
    const hash = hashKey(key.bytes, key.begin, key.end);
    this.#hashes[slot] = hash;
    fillPlace(this.#index, this.#findPlace(hash, key), hash, slot + 1);
    return slot;
  }

  /** Returns the slot of the row with a key; undefined if none waits. */
  find(key: CellBytes): number | undefined {
    const id = idAt(this.#index, this.#findPlace(hashKey(key.bytes, key.begin, key.end), key));
    return id === 0 ? undefined : id - 1;
  }

  /** Returns the place of a key in the index, or the free place where it belongs. */
  #findPlace(hash: number, key: CellBytes): number {
    const index = this.#index;
    for (let place = probe(index, hash, hash); ; place = probe(index, hash, place + 1)) {
      const id = idAt(index, place);
      if (id === 0 || this.#hasKey(id - 1, key)) return place;
    }
  }

  #hasKey(slot: number, { bytes, begin, end }: CellBytes): boolean {
    const { memory, offset } = this.read(slot);
    const own = beginOfValue(memory, offset, this.#numColumns, this.#keyColumn);
    const ownEnd = endOfValue(memory, offset, this.#numColumns, this.#keyColumn);
    if (ownEnd - own !== end - begin) return false;
    for (let i = begin; i < end; i++) if (memory.bytes[own + i - begin] !== bytes[i]) return false;
    return true;
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
    return { path: this.#paths[this.#pathNumbers[slot]!]!, line: this.#lines[slot]! };
  }

  /** Returns a row. */
  read(slot: number): WaitingRow {
    const address = this.#addresses[slot]!;
    const numWords = this.#numWords[slot]!;
    return { memory: this.#rows.memoryOf(address, numWords), offset: offsetOf(address), numWords };
  }

  remove(slot: number): void {
    removeId(this.#index, this.#hashes[slot]! | 0, slot + 1);
    this.#rows.remove(this.#addresses[slot]!);
    this.numbers[slot] = -1;
    this.#free.push(slot);
  }

  close(): void {
    this.#rows.close();
  }

  /** Returns the number of a path, which is most likely that of the row before. */
  #numberOfPath(path: string): number {
    const known = this.#paths.lastIndexOf(path);
    return known >= 0 ? known : this.#paths.push(path) - 1;
  }

  #grow(): void {
    const slots = 2 * this.times.length;
    this.times = grown(this.times, slots);
    this.numbers = grown(this.numbers, slots);
    this.#addresses = grown(this.#addresses, slots);
    this.#lines = grown(this.#lines, slots);
    this.records = grown(this.records, slots);
    this.#pathNumbers = grown(this.#pathNumbers, slots);
    this.#numWords = grown(this.#numWords, slots);
    this.#hashes = grown(this.#hashes, slots);
    this.numRecords = grown(this.numRecords, slots);
    this.#eventTimes = grown(this.#eventTimes, slots * this.#numEvents);
    this.#index = reserveIds(this.#index, slots)!;
  }
}
