import { grown } from '../../core/grown.js';
import type { StoredTensor } from '../../io/safetensors.js';
import type { CounterSpec } from '../counter-options.js';
import { EventQueue } from './event-queue.js';
import type { KeyTable } from './key-table.js';

/**
 * Sums the events of each key in a window before a time. An event counts from `delayMs` after it, and until its whole
 * slot is older than the window: the window is exact at its end, and up to one slot longer at its start. Events of a
 * key and a slot are stored together, so that memory is bounded by the events in the window and by slots times keys.
 */
export class WindowCounter {
  readonly #spec: CounterSpec;
  readonly #table: KeyTable;
  /** Events that are not known yet, by time. */
  readonly #pending = new EventQueue();
  /** Events that count, by slot. */
  readonly #window = new EventQueue();
  /** By key: index of its newest event in the window, and totals of the window. */
  #newest = new Float64Array(0);
  #sums = new Float64Array(0);
  #rows = new Float64Array(0);
  #allSums = 0;
  #allRows = 0;
  #later: LaterTotals | undefined;

  /** @param table keys of the counter, which other counters may share */
  constructor(spec: CounterSpec, table: KeyTable) {
    this.#spec = spec;
    this.#table = table;
  }

  get bytes(): number {
    return this.#pending.bytes + this.#window.bytes + 3 * this.#sums.byteLength;
  }

  /** Moves the window so that it ends before `now`, which never decreases. */
  advance(now: number): void {
    const [pending, window] = [this.#pending, this.#window];
    while (pending.head < pending.tail) {
      const at = pending.at(pending.head);
      if (!this.#isKnown(pending.times[at]!, now)) break;
      pending.pop();
      this.#count(this.#slotOf(pending.times[at]!), pending.keys[at]!, pending.sums[at]!, pending.rows[at]!);
    }
    const oldest = this.#oldestSlot(now);
    while (window.head < window.tail) {
      const at = window.at(window.head);
      if (window.times[at]! >= oldest) break;
      window.pop();
      this.#addTotals(window.keys[at]!, -window.sums[at]!, -window.rows[at]!);
      this.#table.release(window.keys[at]!);
    }
  }

  /** Returns the value of a key in the window; `key` is undefined for one without events. */
  read(key: number | undefined): number {
    const isKnown = key !== undefined && key < this.#sums.length;
    return this.#value(isKnown ? this.#sums[key]! : 0, isKnown ? this.#rows[key]! : 0, this.#allSums, this.#allRows);
  }

  /** Prepares `readAt`. */
  link(): void {
    for (const queue of [this.#pending, this.#window]) queue.link();
  }

  /**
   * Returns the value of a key in a window that ends before `now`, without moving the window.
   * @param now not before the end of the window
   */
  readAt(key: number | undefined, now: number): number {
    const own = new Totals();
    if (key !== undefined) {
      own.add(this.#sums[key] ?? 0, this.#rows[key] ?? 0);
      this.#addKnown(own, key, now);
      const oldest = this.#oldestSlot(now);
      const { links: pending } = this.#pending;
      const { links: window } = this.#window;
      const isPast = (time: number): boolean => this.#isKnown(time, now) && this.#slotOf(time) < oldest;
      own.addWhile(-1, this.#pending, pending.oldest[key] ?? 0, isPast, (i) => pending.next(i));
      own.addWhile(
        -1,
        this.#window,
        window.oldest[key] ?? 0,
        (slot) => slot < oldest,
        (i) => window.next(i),
      );
    }
    if (this.#spec.prior === undefined) return this.#value(own.sum, own.rows, 0, 0);
    const all = this.#allAt(now);
    return this.#value(own.sum, own.rows, all.sum, all.rows);
  }

  /** Adds the pending events of a key that are known at `now`. Visits these or the others, likely the fewer ones. */
  #addKnown(own: Totals, key: number, now: number): void {
    const pending = this.#pending;
    const { links } = pending;
    const [oldest = 0, newest = 0] = [links.oldest[key], links.newest[key]];
    const timeOf = (index: number): number => pending.times[pending.at(index)]!;
    const isKnown = (time: number): boolean => this.#isKnown(time, now);
    if (oldest === 0 || !isKnown(timeOf(oldest))) return;
    const end = now - this.#spec.delayMs;
    if (end - timeOf(oldest) < timeOf(newest) - end) own.addWhile(1, pending, oldest, isKnown, (i) => links.next(i));
    else {
      own.add(links.sums[key]!, links.rows[key]!);
      own.addWhile(
        -1,
        pending,
        newest,
        (time) => !isKnown(time),
        (i) => links.previous(i),
      );
    }
  }

  /** Adds an event, which is not older than earlier ones. */
  add(time: number, key: number, value: number): void {
    this.#table.use(key);
    this.#pending.push(time, key, value, 1);
  }

  /** Calls `visit` with the key of each event, in the order in which `restore` reads them. */
  eachKey(visit: (key: number) => void): void {
    for (const queue of [this.#pending, this.#window])
      for (let i = queue.head; i < queue.tail; i++) visit(queue.keys[queue.at(i)]!);
  }

  /**
   * Returns the state as tensors.
   * @param numbers number of each key in the state, by id; -1 for a key without events
   * @param keys number of keys
   */
  save(numbers: Int32Array, keys: number): ReadonlyMap<string, StoredTensor> {
    const tensors = new Map<string, StoredTensor>();
    const add = (name: string, data: Float64Array | Uint32Array): void =>
      void tensors.set(name, { shape: [data.length], data });
    const queues = [
      ['pending', this.#pending],
      ['window', this.#window],
    ] as const;
    for (const [name, queue] of queues)
      for (const column of COLUMNS) {
        const values = queue.list<Float64Array | Uint32Array>(queue[column]);
        add(`${name}.${column}`, column === 'keys' ? values.map((key) => numbers[key]!) : values);
      }
    // Totals are stored, since sums of fractions depend on their order.
    const sums = new Float64Array(keys + 1);
    for (const [id, key] of numbers.entries()) if (key >= 0) sums[key] = this.#sums[id] ?? 0;
    sums[keys] = this.#allSums;
    add('sums', sums);
    return tensors;
  }

  /**
   * Restores the state of a new counter.
   * @param idOf returns the id of a key of the state
   */
  restore(read: (name: string) => StoredTensor['data'], idOf: (key: number) => number): void {
    const totals = read('sums');
    for (const [name, queue] of [
      ['pending', this.#pending],
      ['window', this.#window],
    ] as const) {
      const [times, keys, sums, rows] = COLUMNS.map((column) => read(`${name}.${column}`));
      for (let i = 0; i < keys!.length; i++) {
        const id = idOf(keys![i]!);
        this.#table.use(id);
        queue.push(times![i]!, id, sums![i]!, rows![i]!);
        if (name === 'pending') continue;
        this.#reserve(id + 1);
        this.#newest[id] = queue.tail - 1;
        this.#rows[id]! += rows![i]!;
        this.#sums[id] = totals[keys![i]!]!;
        this.#allRows += rows![i]!;
      }
    }
    this.#allSums = totals.at(-1)!;
  }

  #isKnown(time: number, now: number): boolean {
    return time + this.#spec.delayMs < now;
  }

  #slotOf(time: number): number {
    return Math.floor(time / this.#spec.slotMs);
  }

  /** Returns the first slot of a window that ends before `now`. */
  #oldestSlot(now: number): number {
    return this.#slotOf(now - this.#spec.withinMs);
  }

  #value(sum: number, rows: number, allSum: number, allRows: number): number {
    const { of, prior } = this.#spec;
    if (prior === undefined) return of === undefined ? rows : sum;
    const mean = allRows === 0 ? 0 : allSum / allRows;
    return rows + prior === 0 ? mean : (sum + prior * mean) / (rows + prior);
  }

  /** Returns the totals of all keys in a window that ends before `now`, from those of the last call if possible. */
  #allAt(now: number): Totals {
    const [pending, window, oldest] = [this.#pending, this.#window, this.#oldestSlot(now)];
    let later = this.#later;
    if (later === undefined || !this.#isUsable(later, now)) {
      later = { now, known: pending.head, expired: window.head, dropped: 0, head: pending.head, totals: new Totals() };
      later.totals.add(this.#allSums, this.#allRows);
      this.#later = later;
    }
    const { totals } = later;
    later.now = now;
    later.known = totals.addWhile(1, pending, later.known, (time) => this.#isKnown(time, now));
    later.expired = totals.addWhile(-1, window, later.expired, (slot) => slot < oldest);
    const isPast = (time: number): boolean => this.#isKnown(time, now) && this.#slotOf(time) < oldest;
    later.dropped = totals.addWhile(-1, pending, pending.head + later.dropped, isPast) - pending.head;
    return totals;
  }

  /** Returns whether totals are a part of those at `now`: they are not later, and no event that they lack was moved. */
  #isUsable({ now: before, known, expired, dropped, head }: LaterTotals, now: number): boolean {
    const [pending, window] = [this.#pending, this.#window];
    return now >= before && known >= pending.head && expired >= window.head && (dropped === 0 || head === pending.head);
  }

  /** Adds an event to the window, with its use of the key. */
  #count(slot: number, key: number, sum: number, rows: number): void {
    this.#reserve(key + 1);
    this.#addTotals(key, sum, rows);
    const window = this.#window;
    const newest = this.#newest[key]!;
    const at = window.at(newest);
    if (newest >= window.head && window.times[at] === slot) {
      window.sums[at]! += sum;
      window.rows[at]! += rows;
      this.#table.release(key);
      return;
    }
    this.#newest[key] = window.tail;
    window.push(slot, key, sum, rows);
  }

  #addTotals(key: number, sum: number, rows: number): void {
    this.#rows[key]! += rows;
    this.#allRows += rows;
    // No rounding error outlives the events of a key.
    this.#sums[key] = this.#rows[key] === 0 ? 0 : this.#sums[key]! + sum;
    this.#allSums = this.#allRows === 0 ? 0 : this.#allSums + sum;
  }

  #reserve(keys: number): void {
    if (keys <= this.#sums.length) return;
    this.#newest = grown(this.#newest, keys);
    [this.#sums, this.#rows] = [grown(this.#sums, keys), grown(this.#rows, keys)];
  }
}

/** Columns of the events of a queue, as they are stored. */
const COLUMNS = ['times', 'keys', 'sums', 'rows'] as const;

/** Totals of events. */
class Totals {
  sum = 0;
  rows = 0;

  add(sum: number, rows: number): void {
    this.rows += rows;
    this.sum = this.rows === 0 ? 0 : this.sum + sum;
  }

  /**
   * Adds or subtracts the events of a queue from one on, while they are included.
   * @param next returns the index of the next event; 0 for none
   * @returns the index of the first other event, or that after the last one
   */
  addWhile(
    sign: 1 | -1,
    queue: EventQueue,
    first: number,
    isIncluded: (time: number) => boolean,
    next = (index: number): number => index + 1,
  ): number {
    let index = first;
    for (; index > 0 && index < queue.tail; index = next(index)) {
      const at = queue.at(index);
      if (!isIncluded(queue.times[at]!)) break;
      this.add(sign * queue.sums[at]!, sign * queue.rows[at]!);
    }
    return index;
  }
}

/** Totals of all keys in a later window, and the events of the queues that they differ by. */
interface LaterTotals {
  now: number;
  /** Index of the first pending event that is not known. */
  known: number;
  /** Index of the first event of the window that remains in it. */
  expired: number;
  /** Number of known events, from the first pending one on, that are older than the window. */
  dropped: number;
  /** Index of the first pending event if `dropped` is not 0. */
  readonly head: number;
  readonly totals: Totals;
}
