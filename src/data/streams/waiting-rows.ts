import { murmur3 } from '../../features/murmur.js';
import { SpilledTexts } from './spilled-texts.js';

const FIRST_SLOTS = 1 << 10;
const [SEED, OTHER_SEED] = [1, 2];

/** A row that waits for events. */
export interface WaitingRow {
  /** Values of its columns. */
  readonly texts: readonly string[];
  /** Number of the row, from 0. */
  readonly number: number;
  /** Time of each event, NaN if it did not happen. */
  readonly eventTimes: Float64Array;
}

/**
 * Rows that wait for events, found by their keys. Texts of the oldest are on disk beyond a memory limit; the rest takes
 * about 64 bytes per row. Rows are named by slots, which are used again.
 */
export class WaitingRows {
  readonly #keyColumn: number;
  readonly #numEvents: number;
  readonly #texts: SpilledTexts;
  readonly #free: number[] = [];
  #size = 0;
  #used = 0;
  // By slot.
  #times = new Float64Array(FIRST_SLOTS);
  #numbers = new Float64Array(FIRST_SLOTS);
  #addresses = new Float64Array(FIRST_SLOTS);
  #lengths = new Uint32Array(FIRST_SLOTS);
  #hashes = new Uint32Array(FIRST_SLOTS);
  #otherHashes = new Uint32Array(FIRST_SLOTS);
  #numRecords = new Uint32Array(FIRST_SLOTS);
  #eventTimes: Float64Array;
  /** Open-addressing table of slots plus one by hash, at most half full. */
  #table = new Uint32Array(2 * FIRST_SLOTS);

  /**
   * @param keyColumn index of the column with the key
   * @param memoryBytes maximum memory of texts
   */
  constructor(keyColumn: number, numEvents: number, memoryBytes: number) {
    this.#keyColumn = keyColumn;
    this.#numEvents = numEvents;
    this.#texts = new SpilledTexts(memoryBytes);
    this.#eventTimes = new Float64Array(FIRST_SLOTS * numEvents);
  }

  /** Number of waiting rows. */
  get size(): number {
    return this.#size;
  }

  /** Bytes in memory. */
  get memoryBytes(): number {
    return this.#texts.memoryBytes + this.#times.length * (40 + 8 * this.#numEvents) + this.#table.byteLength;
  }

  /** Adds a row whose key no waiting row has; returns its slot. */
  add(texts: readonly string[], number: number, timeMs: number): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot === this.#times.length) this.#grow();
    const bytes = Buffer.from(JSON.stringify(texts));
    const key = Buffer.from(texts[this.#keyColumn]!);
    this.#times[slot] = timeMs;
    this.#numbers[slot] = number;
    this.#addresses[slot] = this.#texts.add(bytes);
    this.#lengths[slot] = bytes.length;
    this.#hashes[slot] = murmur3(key, 0, key.length, SEED);
    this.#otherHashes[slot] = murmur3(key, 0, key.length, OTHER_SEED);
    this.#numRecords[slot] = 0;
    this.#eventTimes.fill(NaN, slot * this.#numEvents, (slot + 1) * this.#numEvents);
    this.#size++;
    this.#insert(slot);
    return slot;
  }

  /** Returns the slot of the row with a key; undefined if none waits. */
  find(key: string): number | undefined {
    const bytes = Buffer.from(key);
    const hash = murmur3(bytes, 0, bytes.length, SEED);
    const other = murmur3(bytes, 0, bytes.length, OTHER_SEED);
    const mask = this.#table.length - 1;
    for (let at = hash & mask; this.#table[at] !== 0; at = (at + 1) & mask) {
      const slot = this.#table[at]! - 1;
      if (this.#hashes[slot] !== hash || this.#otherHashes[slot] !== other) continue;
      if (this.#readTexts(slot)[this.#keyColumn] === key) return slot;
    }
    return undefined;
  }

  /** Time of a row, in milliseconds since 1970. */
  timeOf(slot: number): number {
    return this.#times[slot]!;
  }

  /** Whether the row with a number waits in a slot. */
  has(slot: number, number: number): boolean {
    return this.#numbers[slot] === number;
  }

  /** Number of the row in a slot. */
  numberOf(slot: number): number {
    return this.#numbers[slot]!;
  }

  /** Time of an event of a row; NaN if it did not happen. */
  eventTime(slot: number, event: number): number {
    return this.#eventTimes[slot * this.#numEvents + event]!;
  }

  setEvent(slot: number, event: number, timeMs: number): void {
    this.#eventTimes[slot * this.#numEvents + event] = timeMs;
  }

  /** Times of all events of a row, NaN for those that did not happen. Valid until a row is added. */
  eventTimes(slot: number): Float64Array {
    return this.#eventTimes.subarray(slot * this.#numEvents, (slot + 1) * this.#numEvents);
  }

  /** Number of records that a row has had. */
  numRecords(slot: number): number {
    return this.#numRecords[slot]!;
  }

  /** Counts a record of a row. */
  countRecord(slot: number): void {
    this.#numRecords[slot]!++;
  }

  /** Returns a copy of a row. */
  read(slot: number): WaitingRow {
    return {
      texts: this.#readTexts(slot),
      number: this.#numbers[slot]!,
      eventTimes: this.eventTimes(slot).slice(),
    };
  }

  remove(slot: number): void {
    this.#texts.remove(this.#addresses[slot]!);
    this.#delete(slot);
    this.#numbers[slot] = -1;
    this.#free.push(slot);
    this.#size--;
  }

  close(): void {
    this.#texts.close();
  }

  #readTexts(slot: number): readonly string[] {
    return JSON.parse(this.#texts.read(this.#addresses[slot]!, this.#lengths[slot]!)) as readonly string[];
  }

  #insert(slot: number): void {
    const mask = this.#table.length - 1;
    let at = this.#hashes[slot]! & mask;
    while (this.#table[at] !== 0) at = (at + 1) & mask;
    this.#table[at] = slot + 1;
  }

  /** Moves the entries after the removed one back (Knuth, The Art of Computer Programming 3, 6.4, algorithm R). */
  #delete(slot: number): void {
    const mask = this.#table.length - 1;
    let hole = this.#hashes[slot]! & mask;
    while (this.#table[hole] !== slot + 1) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; this.#table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#hashes[this.#table[at]! - 1]! & mask;
      // Whether its place by hash is cyclically not after the hole.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.#table[hole] = this.#table[at]!;
      hole = at;
    }
    this.#table[hole] = 0;
  }

  #grow(): void {
    const slots = 2 * this.#times.length;
    const larger = <Values extends Float64Array | Uint32Array>(values: Values, to: Values): Values => {
      to.set(values);
      return to;
    };
    this.#times = larger(this.#times, new Float64Array(slots));
    this.#numbers = larger(this.#numbers, new Float64Array(slots));
    this.#addresses = larger(this.#addresses, new Float64Array(slots));
    this.#lengths = larger(this.#lengths, new Uint32Array(slots));
    this.#hashes = larger(this.#hashes, new Uint32Array(slots));
    this.#otherHashes = larger(this.#otherHashes, new Uint32Array(slots));
    this.#numRecords = larger(this.#numRecords, new Uint32Array(slots));
    this.#eventTimes = larger(this.#eventTimes, new Float64Array(slots * this.#numEvents));
    const entries = this.#table;
    this.#table = new Uint32Array(2 * slots);
    for (const entry of entries) if (entry !== 0) this.#insert(entry - 1);
  }
}
