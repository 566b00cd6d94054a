import type { StoredTensor } from '../../io/safetensors.js';
import type { CounterSpec } from '../counter-options.js';
import { enlarged, EventQueue } from './event-queue.js';
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
  /** Totals of the window by key. */
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
    return this.#pending.bytes + this.#window.bytes + 2 * this.#sums.byteLength;
  }

  /** Moves the window so that it ends before `now`, which never decreases. */
  advance(now: number): void {
    const [pending, window] = [this.#pending, this.#window];
    while (pending.head < pending.tail) {
      const at = pending.at(pending.head);
      if (!this.#isKnown(pending.times[at]!, now)) break;
      pending.head++;
      this.#count(this.#slotOf(pending.times[at]!), pending.keys[at]!, pending.sums[at]!, pending.rows[at]!);
    }
    const oldest = this.#oldestSlot(now);
    while (window.head < window.tail) {
      const at = window.at(window.head);
      if (window.times[at]! >= oldest) break;
      window.head++;
      this.#addTotals(window.keys[at]!, -window.sums[at]!, -window.rows[at]!);
      this.#table.release(window.keys[at]!);
    }
  }

  /** Returns the value of a key in the window; `key` is undefined for one without events. */
  read(key: number | undefined): number {
    const isKnown = key !== undefined && key < this.#sums.length;
    return this.#value(isKnown ? this.#sums[key]! : 0, isKnown ? this.#rows[key]! : 0, this.#allSums, this.#allRows);
  }

  /**
   * Returns the value of a key in a window that ends before `now`, without moving the window. The time grows with the
   * events of the key.
   * @param now not before the end of the window
   */
  readAt(key: number | undefined, now: number): number {
    const own = new Totals();
    if (key !== undefined) {
      own.add(this.#sums[key] ?? 0, this.#rows[key] ?? 0);
      const [pending, window, oldest] = [this.#pending, this.#window, this.#oldestSlot(now)];
      for (const at of pending.positionsOf(key)) {
        if (!this.#isKnown(pending.times[at]!, now)) break;
        if (this.#slotOf(pending.times[at]!) >= oldest) own.add(pending.sums[at]!, pending.rows[at]!);
      }
      for (const at of window.positionsOf(key)) {
        if (window.times[at]! >= oldest) break;
        own.add(-window.sums[at]!, -window.rows[at]!);
      }
    }
    if (this.#spec.prior === undefined) return this.#value(own.sum, own.rows, 0, 0);
    const all = this.#allAt(now);
    return this.#value(own.sum, own.rows, all.sum, all.rows);
  }

  /** Adds an event, which is not older than earlier ones. */
  add(time: number, key: number, value: number): void {
    this.#table.use(key);
    this.#pending.push(time, key, value, 1);
  }

  /**
   * Returns the state as tensors.
   * @param ids number of each key in the state, by id
   * @param keys number of keys
   */
  save(ids: ReadonlyMap<number, number>, keys: number): ReadonlyMap<string, StoredTensor> {
    const tensors = new Map<string, StoredTensor>();
    const add = (name: string, data: Float64Array | Uint32Array): void =>
      void tensors.set(name, { shape: [data.length], data });
    for (const [name, queue] of [
      ['pending', this.#pending],
      ['window', this.#window],
    ] as const) {
      add(`${name}.times`, queue.list(queue.times));
      add(
        `${name}.keys`,
        queue.list(queue.keys).map((key) => ids.get(key)!),
      );
      add(`${name}.sums`, queue.list(queue.sums));
      add(`${name}.rows`, queue.list(queue.rows));
    }
    // Totals are stored, since sums of fractions depend on their order.
    const sums = new Float64Array(keys + 1);
    for (const [id, key] of ids) sums[key] = this.#sums[id] ?? 0;
    sums[keys] = this.#allSums;
    add('sums', sums);
    return tensors;
  }

  /**
   * Restores the state of a new counter.
   * @param idOf returns the id of a key of the state
   */
  restore(read: (name: string) => StoredTensor['data'], idOf: (key: number) => number): void {
    for (const [name, push] of [
      ['window', (...event: Parameters<EventQueue['push']>) => this.#count(...event)],
      ['pending', (...event: Parameters<EventQueue['push']>) => this.#pending.push(...event)],
    ] as const) {
      const [times, keys, sums, rows] = ['times', 'keys', 'sums', 'rows'].map((column) => read(`${name}.${column}`));
      for (const [i, key] of keys!.entries()) {
        const id = idOf(key);
        this.#table.use(id);
        push(times![i]!, id, sums![i]!, rows![i]!);
      }
    }
    const sums = read('sums');
    this.#allSums = sums.at(-1)!;
    for (const key of read('window.keys')) this.#sums[idOf(key)] = sums[key]!;
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
    if (later === undefined || now < later.now || later.heads[0] !== pending.head || later.heads[1] !== window.head) {
      const heads = [pending.head, window.head] as const;
      later = { heads, now, known: pending.head, dropped: pending.head, expired: window.head, totals: new Totals() };
      later.totals.add(this.#allSums, this.#allRows);
      this.#later = later;
    }
    const { totals } = later;
    later.now = now;
    for (; later.known < pending.tail; later.known++) {
      const at = pending.at(later.known);
      if (!this.#isKnown(pending.times[at]!, now)) break;
      totals.add(pending.sums[at]!, pending.rows[at]!);
    }
    for (; later.expired < window.tail; later.expired++) {
      const at = window.at(later.expired);
      if (window.times[at]! >= oldest) break;
      totals.add(-window.sums[at]!, -window.rows[at]!);
    }
    for (; later.dropped < later.known; later.dropped++) {
      const at = pending.at(later.dropped);
      if (this.#slotOf(pending.times[at]!) >= oldest) break;
      totals.add(-pending.sums[at]!, -pending.rows[at]!);
    }
    return totals;
  }

  /** Adds an event to the window, with its use of the key. */
  #count(slot: number, key: number, sum: number, rows: number): void {
    this.#reserve(key + 1);
    this.#addTotals(key, sum, rows);
    const window = this.#window;
    const newest = window.newestOf(key);
    const at = window.at(newest);
    if (newest >= window.head && window.times[at] === slot) {
      window.sums[at]! += sum;
      window.rows[at]! += rows;
      this.#table.release(key);
      return;
    }
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
    [this.#sums, this.#rows] = [enlarged(this.#sums, keys), enlarged(this.#rows, keys)];
  }
}

/** Totals of events. */
class Totals {
  sum = 0;
  rows = 0;

  add(sum: number, rows: number): void {
    this.rows += rows;
    this.sum = this.rows === 0 ? 0 : this.sum + sum;
  }
}

/** Totals of all keys in a later window, and the indices of the events after those that it counts and excludes. */
interface LaterTotals {
  /** Heads of the queues that the totals are based on. */
  readonly heads: readonly [pending: number, window: number];
  now: number;
  /** Next pending event that is not known. */
  known: number;
  /** Next pending event that is not older than the window. */
  dropped: number;
  /** Next event of the window that is not older than it. */
  expired: number;
  readonly totals: Totals;
}
