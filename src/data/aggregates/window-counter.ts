import { TimeQueue } from '../../core/time-queue.js';
import type { StoredTensor } from '../../io/safetensors.js';
import type { EventKeys } from './event-keys.js';
import type { Aggregate, CountedEvents } from './aggregate.js';
import { EventQueue, Totals } from './event-queue.js';

/** A search among so many slots of a key is fast without jumps. */
const FEW_SLOTS = 256;

/** Key of all events of a counter that divides by their mean; no event has it. */
const ALL_KEYS = '';

/** Options of a window. Durations in milliseconds. */
export interface WindowOptions extends CountedEvents {
  readonly withinMs: number;
  /** Events of the same key within a slot are stored together. */
  readonly slotMs: number;
  /** Prior of a smoothed rate; undefined for a count or a sum. */
  readonly prior: number | undefined;
}

/** Totals of a key up to some event. */
interface Place {
  totals: Totals;
  index: number;
}

/**
 * Sums the events of each key in a window before a time. An event counts from `delayMs` after it, and until its whole
 * slot is older than the window: the window is exact at its end, and up to one slot longer at its start. Events of a
 * key and a slot are stored together, so that memory is bounded by the events in the window and by slots times keys.
 *
 * A sum is the difference of two totals of the key, which are exact, so that it depends on the events in the window
 * alone, and not on their order.
 */
export class WindowCounter implements Aggregate {
  readonly #options: WindowOptions;
  readonly #eventKeys: EventKeys;
  /** Id of `ALL_KEYS`; 0 for a counter without a prior. */
  readonly #all: number = 0;
  /** Events that earlier ones may follow. */
  readonly #open = new TimeQueue();
  /** Number of events that were opened. */
  #numOpened = 0;
  /** Events after these that no earlier one follows, by time. */
  readonly #recent: EventQueue;
  /** Events that every window contains or is later than, by slot. */
  readonly #window: EventQueue;
  /** By key: totals up to the newest event of `#recent`, and up to the newest one that was removed. */
  readonly #totals: Totals;
  readonly #removed: Totals;
  #numKeys = 0;
  /** Events before it are not open. */
  #closedMs = -Infinity;
  /** Events before it are in `#window`. */
  #settledMs = -Infinity;
  readonly #begin: Place;
  readonly #end: Place;

  /** @param eventKeys keys of the counter, which other counters may share */
  constructor(options: WindowOptions, eventKeys: EventKeys) {
    this.#options = options;
    this.#eventKeys = eventKeys;
    const hasValues = options.of !== undefined;
    this.#recent = new EventQueue(hasValues, true);
    this.#window = new EventQueue(hasValues, options.isLenient || options.withinMs / options.slotMs > FEW_SLOTS);
    [this.#totals, this.#removed] = [new Totals(hasValues), new Totals(hasValues)];
    this.#begin = { totals: this.#removed, index: 0 };
    this.#end = { totals: this.#removed, index: 0 };
    if (options.prior === undefined) return;
    this.#all = eventKeys.add(ALL_KEYS);
    eventKeys.use(this.#all);
  }

  get bytes(): number {
    return [this.#open, this.#recent, this.#window, this.#totals, this.#removed].reduce((n, { bytes }) => n + bytes, 0);
  }

  /** Removes the events that no window contains which ends before `now` or later, and stores others by slot. */
  advance(now: number): void {
    const recent = this.#recent;
    const window = this.#window;
    const settled = now - this.#options.delayMs;
    this.#settledMs = settled;
    for (; !recent.isEmpty && recent.timeOf(recent.head) < settled; recent.popOldest()) {
      const { head, totals } = recent;
      this.#settle(this.#slotOf(recent.timeOf(head)), recent.keyOf(head), totals, recent.at(head));
    }
    this.#close(settled);
    const oldest = this.#oldestSlot(now);
    for (; !window.isEmpty && window.timeOf(window.head) < oldest; window.popOldest()) this.#remove(window.head);
  }

  /**
   * Returns the value of a key in a window that ends before `now`; `key` is 0 for one without events.
   * @param now not before the time of `advance`
   */
  read(key: number, now: number): number {
    this.#close(now - this.#options.delayMs);
    const { of, prior } = this.#options;
    const rows = this.#find(key, now) ? this.#rowsFound() : 0;
    if (prior === undefined && of === undefined) return rows;
    const sum = rows === 0 ? 0 : this.#sumFound();
    if (prior === undefined) return sum;
    const allRows = this.#find(this.#all, now) ? this.#rowsFound() : 0;
    const mean = allRows === 0 ? 0 : this.#sumFound() / allRows;
    return rows + prior === 0 ? mean : (sum + prior * mean) / (rows + prior);
  }

  /** Adds an event, which is not before the `now` of `advance` minus the delay. */
  add(time: number, key: number, value: number): void {
    if (time < this.#closedMs) this.#reopen(time);
    this.#eventKeys.use(key);
    this.#open.push(time, this.#numOpened++, key, value);
  }

  /** Calls `visit` with the key of each event, in the order in which `restore` reads them. */
  eachKey(visit: (key: number) => void): void {
    this.#eachSlot((_, key) => visit(key));
    this.#eachEvent((_, key) => visit(key));
  }

  /**
   * Returns the state as tensors.
   * @param numbers number of each key in the state, by id
   */
  save(numbers: Int32Array): ReadonlyMap<string, StoredTensor> {
    const slots = { numbers: [] as number[], keys: [] as number[], sums: [] as number[], rows: [] as number[] };
    this.#eachSlot((slot, key, sums, rows) => {
      for (let i = 0; i < Math.max(1, sums.length); i++) {
        slots.numbers.push(slot);
        slots.keys.push(numbers[key]!);
        slots.sums.push(sums[i] ?? 0);
        slots.rows.push(i === 0 ? rows : 0);
      }
    });
    const events = { times: [] as number[], keys: [] as number[], values: [] as number[] };
    this.#eachEvent((time, key, value) => {
      events.times.push(time);
      events.keys.push(numbers[key]!);
      events.values.push(value);
    });
    const tensors = new Map<string, StoredTensor>();
    for (const [kind, columns] of Object.entries({ slots, events }))
      for (const [name, values] of Object.entries(columns)) {
        const isInteger = name === 'keys' || name === 'rows';
        const data = isInteger ? Uint32Array.from(values) : Float64Array.from(values);
        tensors.set(`${kind}.${name}`, { shape: [data.length], data });
      }
    return tensors;
  }

  /**
   * Restores the state of a new counter.
   * @param idOf returns the id of a key of the state
   */
  restore(read: (name: string) => StoredTensor['data'], idOf: (key: number) => number): void {
    const [slots, keys, sums, rows] = ['numbers', 'keys', 'sums', 'rows'].map((name) => read(`slots.${name}`));
    for (let i = 0; i < keys!.length; i++) {
      const key = idOf(keys![i]!);
      for (const each of this.#all === 0 ? [key] : [key, this.#all]) {
        this.#eventKeys.use(each);
        this.#addTotals(each, sums![i]!, rows![i]!);
        this.#settle(slots![i]!, each, this.#totals, each);
      }
    }
    const [times, eventKeys, values] = ['times', 'keys', 'values'].map((name) => read(`events.${name}`));
    for (let i = 0; i < times!.length; i++) this.add(times![i]!, idOf(eventKeys![i]!), values![i]!);
  }

  #slotOf(time: number): number {
    return Math.floor(time / this.#options.slotMs);
  }

  /** Returns the first slot of a window that ends before `now`. */
  #oldestSlot(now: number): number {
    return this.#slotOf(now - this.#options.withinMs);
  }

  /** Closes the open events before a time, which no earlier one follows. */
  #close(time: number): void {
    const open = this.#open;
    while (open.first < time) {
      open.pop();
      this.#closeEvent(open.time, open.id, open.value);
      if (this.#all === 0) continue;
      this.#eventKeys.use(this.#all);
      this.#closeEvent(open.time, this.#all, open.value);
    }
    if (time > this.#closedMs) this.#closedMs = time;
  }

  #closeEvent(time: number, key: number, value: number): void {
    this.#addTotals(key, value, 1);
    if (time < this.#settledMs) this.#settle(this.#slotOf(time), key, this.#totals, key);
    else this.#recent.push(time, key, this.#totals, key);
  }

  /** Opens the recent events after a time, since an event of that time follows them. */
  #reopen(time: number): void {
    const recent = this.#recent;
    for (; !recent.isEmpty && recent.timeOf(recent.tail - 1) > time; recent.popNewest()) {
      const index = recent.tail - 1;
      const key = recent.keyOf(index);
      const value = this.#valueOf(index);
      this.#totals.copy(key, this.#begin.totals, this.#begin.index);
      if (key === this.#all) this.#eventKeys.release(key);
      else this.#open.push(recent.timeOf(index), this.#numOpened++, key, value);
    }
    this.#closedMs = time;
  }

  /** Stores an event by slot, with its use of the key. */
  #settle(slot: number, key: number, from: Totals, source: number): void {
    const window = this.#window;
    const newest = window.newestOf(key);
    if (newest > 0 && window.timeOf(newest) === slot) {
      window.totals.copy(window.at(newest), from, source);
      this.#eventKeys.release(key);
    } else window.push(slot, key, from, source);
  }

  /** Removes the oldest event of the window, and the totals of a key without others. */
  #remove(index: number): void {
    const window = this.#window;
    const totals = this.#totals;
    const removed = this.#removed;
    const key = window.keyOf(index);
    removed.copy(key, window.totals, window.at(index));
    if (totals.rowsMinus(key, removed, key) === 0) {
      totals.clear(key);
      removed.clear(key);
    }
    this.#eventKeys.release(key);
  }

  #addTotals(key: number, sum: number, rows: number): void {
    if (key >= this.#numKeys) {
      this.#numKeys = Math.max(key + 1, 2 * this.#numKeys);
      for (const totals of [this.#totals, this.#removed]) totals.reserve(this.#numKeys);
    }
    this.#totals.add(key, sum, rows);
  }

  /** Finds the totals at the begin and at the end of a window; returns whether the key has any. */
  #find(key: number, now: number): boolean {
    if (key === 0 || key >= this.#numKeys) return false;
    const { delayMs, slotMs } = this.#options;
    const recent = this.#recent;
    const window = this.#window;
    const oldest = this.#oldestSlot(now);
    if (recent.isEmpty && !window.hasBefore(oldest)) {
      // As in every read of rows in order, without a tolerance.
      this.#begin.totals = this.#removed;
      this.#begin.index = key;
      this.#end.totals = this.#totals;
      this.#end.index = key;
      return true;
    }
    this.#seek(this.#begin, key, recent.findBefore(key, oldest, slotMs), window.findBefore(key, oldest));
    this.#seek(this.#end, key, recent.findBefore(key, now - delayMs), window.newestOf(key));
    return true;
  }

  /**
   * Sets the totals of a key to the totals of a recent event, else of an event of the window, else of removed events.
   */
  #seek(place: Place, key: number, recent: number, window: number): void {
    if (recent === 0 && window === 0) {
      place.totals = this.#removed;
      place.index = key;
      return;
    }
    const queue = recent > 0 ? this.#recent : this.#window;
    place.totals = queue.totals;
    place.index = queue.at(recent > 0 ? recent : window);
  }

  #rowsFound(): number {
    return this.#end.totals.rowsMinus(this.#end.index, this.#begin.totals, this.#begin.index);
  }

  #sumFound(): number {
    return this.#end.totals.sumMinus(this.#end.index, this.#begin.totals, this.#begin.index);
  }

  /** Returns the value of a recent event; `#begin` becomes the totals before it. */
  #valueOf(index: number): number {
    const key = this.#recent.keyOf(index);
    this.#seek(this.#begin, key, this.#recent.previousOf(index), this.#window.newestOf(key));
    return this.#recent.totals.sumMinus(this.#recent.at(index), this.#begin.totals, this.#begin.index);
  }

  /** Calls `visit` with each event that is not stored by slot, in order. */
  #eachEvent(visit: (time: number, key: number, value: number) => void): void {
    const recent = this.#recent;
    for (let i = recent.head; i < recent.tail; i++)
      if (recent.keyOf(i) !== this.#all) visit(recent.timeOf(i), recent.keyOf(i), this.#valueOf(i));
    this.#open.each(visit);
  }

  /** Calls `visit` with the events of each slot and key: numbers with the sum of their values, and their count. */
  #eachSlot(visit: (slot: number, key: number, sums: readonly number[], rows: number) => void): void {
    const window = this.#window;
    for (let i = window.head; i < window.tail; i++) {
      const key = window.keyOf(i);
      if (key === this.#all) continue;
      this.#seek(this.#begin, key, 0, window.previousOf(i));
      const at = window.at(i);
      const sums = window.totals.partsOfDifference(at, this.#begin.totals, this.#begin.index);
      visit(window.timeOf(i), key, sums, window.totals.rowsMinus(at, this.#begin.totals, this.#begin.index));
    }
  }
}
