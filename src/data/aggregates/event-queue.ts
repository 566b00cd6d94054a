import { grown } from '../../core/grown.js';
import { ExactSums } from './exact-sums.js';

const FIRST_CAPACITY = 64;
/** Integers per event, which are often read together: its key, `PREVIOUS`, `JUMP` and `DEPTH`. */
const STRIDE = 4;
/** Distance to the previous event of the key; 0 for none. */
const PREVIOUS = 1;
/** Distance to an event of the key further back; 0 for none. */
const JUMP = 2;
/** Number of events of the key before it. */
const DEPTH = 3;

/** Numbers of events by index, and sums of their values. */
export class Totals {
  /** Undefined if events have no values. */
  readonly #sums: ExactSums | undefined;
  /** Modulo 2^32; only differences are used. */
  #rows = new Uint32Array(0);

  constructor(hasValues: boolean) {
    this.#sums = hasValues ? new ExactSums() : undefined;
  }

  get bytes(): number {
    return this.#rows.byteLength + (this.#sums?.bytes ?? 0);
  }

  reserve(size: number): void {
    this.#rows = grown(this.#rows, size);
    this.#sums?.reserve(this.#rows.length);
  }

  add(index: number, sum: number, rows: number): void {
    this.#rows[index]! += rows;
    this.#sums?.add(index, sum);
  }

  copy(index: number, from: Totals, source: number): void {
    this.#rows[index] = from.#rows[source]!;
    this.#sums?.copy(index, from.#sums!, source);
  }

  clear(index: number): void {
    this.#rows[index] = 0;
    this.#sums?.clear(index);
  }

  moveToFront(begin: number, end: number): void {
    this.#rows.copyWithin(0, begin, end);
    this.#sums?.moveToFront(begin, end);
  }

  /** Returns the rows of totals minus the rows of other totals. */
  rowsMinus(index: number, other: Totals, source: number): number {
    return (this.#rows[index]! - other.#rows[source]!) >>> 0;
  }

  /** Returns the sum of totals minus the sum of other totals, rounded once. */
  sumMinus(index: number, other: Totals, source: number): number {
    return this.#sums?.minus(index, other.#sums!, source) ?? 0;
  }

  /** Returns numbers whose exact sum is the sum of totals minus the sum of other totals. */
  partsOfDifference(index: number, other: Totals, source: number): readonly number[] {
    return this.#sums?.partsOfDifference(index, other.#sums!, source) ?? [];
  }
}

/**
 * Events in order of time, each with the totals of its key up to it, in memory that grows. An index is a position since
 * the first event; 0 is none. The events of a key are linked, and found by time in logarithmic time: an event links
 * to the previous one, and to one further back (Myers 1983).
 */
export class EventQueue {
  /** Index of the oldest event. */
  head = 1;
  /** Index after the newest event. */
  tail = 1;
  /** Totals of the key of each event, up to it, by position. */
  readonly totals: Totals;
  /** Index of the event at position 0. */
  #first = 1;
  /** Time of an event, or number of the slot of several. */
  #times = new Float64Array(0);
  #links = new Uint32Array(0);
  readonly #hasJumps: boolean;
  /** Index of the newest event of each key, which may have been removed. */
  #newest = new Float64Array(0);

  /** @param hasJumps whether `findBefore` takes logarithmic time, not linear; an event then takes longer to add */
  constructor(hasValues: boolean, hasJumps: boolean) {
    this.totals = new Totals(hasValues);
    this.#hasJumps = hasJumps;
  }

  get bytes(): number {
    return this.#times.length * (8 + 4 * STRIDE) + this.totals.bytes + this.#newest.byteLength;
  }

  get isEmpty(): boolean {
    return this.head === this.tail;
  }

  /** Returns the position of an event in the totals. */
  at(index: number): number {
    return index - this.#first;
  }

  timeOf(index: number): number {
    return this.#times[index - this.#first]!;
  }

  keyOf(index: number): number {
    return this.#links[STRIDE * (index - this.#first)]!;
  }

  /** Returns the index of the newest event of a key. */
  newestOf(key: number): number {
    const newest = this.#newest[key] ?? 0;
    return newest < this.head ? 0 : newest;
  }

  /** Returns the index of the previous event of the key. */
  previousOf(index: number): number {
    return this.#back(index, PREVIOUS);
  }

  /** Adds the newest event, with the totals of its key. */
  push(time: number, key: number, from: Totals, source: number): void {
    if (this.tail - this.#first === this.#times.length) this.#reserve();
    if (key >= this.#newest.length) this.#newest = grown(this.#newest, key + 1);
    const index = this.tail++;
    const at = index - this.#first;
    const previous = this.newestOf(key);
    this.#times[at] = time;
    this.#newest[key] = index;
    this.totals.copy(at, from, source);
    const links = this.#links;
    links[STRIDE * at] = key;
    links[STRIDE * at + PREVIOUS] = previous === 0 ? 0 : index - previous;
    const jumps = this.#hasJumps && previous > 0;
    links[STRIDE * at + JUMP] = jumps ? index - this.#jumpFrom(previous) : 0;
    links[STRIDE * at + DEPTH] = jumps ? this.#depthOf(previous) + 1 : 0;
  }

  /** Removes the oldest event. */
  popOldest(): void {
    this.head++;
  }

  /** Removes the newest event. */
  popNewest(): void {
    const index = this.tail - 1;
    this.#newest[this.keyOf(index)] = this.previousOf(index);
    this.tail--;
  }

  /** Returns whether any event is before a time; `unit` is the unit of `findBefore`. */
  hasBefore(time: number, unit = 1): boolean {
    return this.head < this.tail && this.#times[this.head - this.#first]! / unit < time;
  }

  /**
   * Returns the index of the latest event of a key before a time.
   * @param unit of the time, which the times of events are divided by
   */
  findBefore(key: number, time: number, unit = 1): number {
    if (!this.hasBefore(time, unit)) return 0;
    const [first, times] = [this.#first, this.#times];
    let index = this.newestOf(key);
    while (index > 0 && times[index - first]! / unit >= time) {
      const further = this.#back(index, JUMP);
      index = further > 0 && times[further - first]! / unit >= time ? further : this.#back(index, PREVIOUS);
    }
    return index;
  }

  /** Returns the event that the next event of a key jumps to: two jumps of equal length become one. */
  #jumpFrom(previous: number): number {
    const first = this.#back(previous, JUMP);
    const second = first === 0 ? 0 : this.#back(first, JUMP);
    if (second === 0) return previous;
    const depth = this.#depthOf(first);
    return this.#depthOf(previous) - depth === depth - this.#depthOf(second) ? second : previous;
  }

  #depthOf(index: number): number {
    return this.#links[STRIDE * (index - this.#first) + DEPTH]!;
  }

  #back(index: number, link: typeof PREVIOUS | typeof JUMP): number {
    const distance = this.#links[STRIDE * (index - this.#first) + link]!;
    return distance === 0 || index - distance < this.head ? 0 : index - distance;
  }

  /** Makes memory for one more event: it reuses the memory of removed events if they are at least half of it. */
  #reserve(): void {
    const begin = this.head - this.#first;
    const end = this.tail - this.#first;
    if (begin > 0) {
      this.#times.copyWithin(0, begin, end);
      this.#links.copyWithin(0, STRIDE * begin, STRIDE * end);
      this.totals.moveToFront(begin, end);
      this.#first = this.head;
    }
    if (2 * (end - begin) < end) return;
    const capacity = Math.max(FIRST_CAPACITY, 2 * end);
    this.#times = grown(this.#times, capacity);
    this.#links = grown(this.#links, STRIDE * capacity);
    this.totals.reserve(capacity);
  }
}
