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
    const { delayMs, withinMs, slotMs } = this.#spec;
    const [pending, window] = [this.#pending, this.#window];
    while (pending.head < pending.tail) {
      const at = pending.at(pending.head);
      if (!(pending.times[at]! + delayMs < now)) break;
      pending.head++;
      this.#count(Math.floor(pending.times[at]! / slotMs), pending.keys[at]!, pending.sums[at]!, pending.rows[at]!);
    }
    const oldest = Math.floor((now - withinMs) / slotMs);
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
    const sum = isKnown ? this.#sums[key]! : 0;
    const rows = isKnown ? this.#rows[key]! : 0;
    const { of, prior } = this.#spec;
    if (prior === undefined) return of === undefined ? rows : sum;
    const mean = this.#allRows === 0 ? 0 : this.#allSums / this.#allRows;
    return rows + prior === 0 ? mean : (sum + prior * mean) / (rows + prior);
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

  /** Adds an event to the window, with its use of the key. */
  #count(slot: number, key: number, sum: number, rows: number): void {
    this.#reserve(key + 1);
    this.#addTotals(key, sum, rows);
    const window = this.#window;
    const newest = this.#newest[key]!;
    const at = window.at(newest);
    if (newest >= window.head && newest < window.tail && window.keys[at] === key && window.times[at] === slot) {
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
    const capacity = Math.max(keys, 2 * this.#sums.length, 64);
    const grown = (values: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const larger = new Float64Array(capacity);
      larger.set(values);
      return larger;
    };
    [this.#newest, this.#sums, this.#rows] = [grown(this.#newest), grown(this.#sums), grown(this.#rows)];
  }
}
