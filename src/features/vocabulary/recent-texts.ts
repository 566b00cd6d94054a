import { userError } from '../../core/errors.js';
import { createKeyTable, findKey, hasKey, keyBytes, putKey, removeKey, reserveKeys } from '../../core/key-table.js';
import { bytes as sizeText } from '../../text/number-text.js';

/** Maximum number of texts. */
export const MAX_TEXTS = 500_000_000;

/** When a text was used. */
export interface Moment {
  /** Number of the batch, from 1. */
  readonly batch: number;
  /** Time of the stream in milliseconds; NaN if unknown. */
  readonly timeMs: number;
}

/** Values that slots have. */
export interface SlotValues {
  /** Whether the time of the last use is stored. */
  readonly hasTimes: boolean;
  /** Whether a slot has a key; default: false. */
  readonly hasKeys?: boolean;
}

/**
 * Distinct nonempty texts in numbered slots, from 1, in order of their last use. A new text takes the lowest free slot.
 * All arrays are allocated at once, so that no text is slower than others; memory is used when it is written.
 */
export class RecentTexts {
  readonly capacity: number;
  readonly #table: ReturnType<typeof createKeyTable>;
  /** Neighbors of each slot in the order of use; slot 0 is before the oldest and after the newest. */
  readonly #older: Uint32Array;
  readonly #newer: Uint32Array;
  /** Batch of the last use, and of the insertion. */
  readonly #batches: Uint32Array;
  readonly #insertions: Uint32Array;
  /** Time of the last use; empty without times. */
  readonly #times: Float64Array;
  /** A count per slot, 0 for a new text. */
  readonly counts: Uint32Array;
  /** Another value per slot, 0 for a new text; empty without keys. */
  readonly keys: Float64Array;
  /** Binary heap of the free slots below `highest`, lowest first. */
  readonly #free: Uint32Array;
  /** A bit per slot that was released since `forgetRemoved`. */
  readonly #removed: Uint32Array;
  #numFree = 0;

  constructor(capacity: number, { hasTimes, hasKeys = false }: SlotValues) {
    this.capacity = capacity;
    this.#table = createKeyTable(capacity);
    [this.#older, this.#newer, this.#batches, this.#insertions, this.counts] = Array.from(
      { length: 5 },
      () => new Uint32Array(capacity + 1),
    ) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array];
    this.#times = new Float64Array(hasTimes ? capacity + 1 : 0);
    this.keys = new Float64Array(hasKeys ? capacity + 1 : 0);
    this.#free = new Uint32Array(capacity);
    this.#removed = new Uint32Array(Math.ceil((capacity + 1) / 32));
  }

  get size(): number {
    return this.#table.numKeys;
  }

  /** Highest slot that ever had a text. */
  get highest(): number {
    return this.#table.highest;
  }

  get hasTimes(): boolean {
    return this.#times.length > 0;
  }

  get hasKeys(): boolean {
    return this.keys.length > 0;
  }

  /** Slot whose last use is the oldest; 0 if there is no text. */
  get oldest(): number {
    return this.#newer[0]!;
  }

  /** Bytes of all arrays, of which the system commits only those that were written. */
  get byteLength(): number {
    const { bytes, begins, ends, index } = this.#table;
    const arrays = [
      ...[bytes, begins, ends, index, this.#older, this.#newer, this.#batches, this.#insertions],
      ...[this.#times, this.counts, this.keys, this.#free, this.#removed],
    ];
    return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  isUsed(slot: number): boolean {
    return hasKey(this.#table, slot);
  }

  /** Returns the bytes of a text, until the next one is inserted. */
  bytesOf(slot: number): Uint8Array {
    return keyBytes(this.#table, slot);
  }

  lastUse(slot: number): Moment {
    return { batch: this.#batches[slot]!, timeMs: this.#times[slot] ?? NaN };
  }

  /** Returns whether a text was inserted after a batch. */
  isNewSince(slot: number, batch: number): boolean {
    return this.#insertions[slot]! > batch;
  }

  /** Returns the slot of the text in `begin`…`end`; 0 if there is none. */
  find(bytes: Uint8Array, begin: number, end: number): number {
    return findKey(this.#table, bytes, begin, end);
  }

  /** Inserts a text that is not there as the newest; returns its slot, or 0 if all are used. */
  insert(bytes: Uint8Array, begin: number, end: number, moment: Moment): number {
    if (this.size === this.capacity) return 0;
    const slot = this.#numFree > 0 ? this.#takeFree() : this.highest + 1;
    this.#place(slot, bytes, begin, end, moment);
    return slot;
  }

  /** Makes a text the newest. */
  touch(slot: number, { batch, timeMs }: Moment): void {
    this.#batches[slot] = batch;
    if (this.hasTimes) this.#times[slot] = timeMs;
    if (this.#older[0] === slot) return;
    this.#unlink(slot);
    this.#linkNewest(slot);
  }

  /** Removes a text, and releases its slot. */
  remove(slot: number): void {
    this.#erase(slot);
    this.#addFree(slot);
    this.#removed[slot >>> 5]! |= 1 << (slot & 31);
  }

  /** Returns the free slots that were released since the last call of `forgetRemoved`, in ascending order. */
  removedSince(): Uint32Array {
    const slots: number[] = [];
    for (const [w, word] of this.#removed.subarray(0, (this.highest >>> 5) + 1).entries())
      for (let left = word; left !== 0; left &= left - 1) {
        // The lowest bit of a word is 31 minus its leading zeros.
        const slot = 32 * w + 31 - Math.clz32(left & -left);
        if (!this.isUsed(slot)) slots.push(slot);
      }
    return Uint32Array.from(slots);
  }

  forgetRemoved(): void {
    this.#removed.fill(0, 0, (this.highest >>> 5) + 1);
  }

  /** Sets the time of all uses. */
  setTimes(timeMs: number): void {
    this.#times.fill(timeMs, 1, this.highest + 1);
  }

  /** Returns the slots that were used after a batch, in order of their last use. */
  usedSince(batch: number): Uint32Array {
    let count = 0;
    for (let slot = this.#older[0]!; slot > 0 && this.#batches[slot]! > batch; slot = this.#older[slot]!) count++;
    const slots = new Uint32Array(count);
    for (let slot = this.#older[0]!; count > 0; slot = this.#older[slot]!) slots[--count] = slot;
    return slots;
  }

  /**
   * Replaces the texts of some slots, which become the newest, in order.
   * @param removed slots to release
   * @param textOf returns the bytes of the text of the i-th slot; undefined for the one that it has
   * @throws Error for a slot that has no text
   */
  replace(
    removed: Uint32Array,
    slots: Uint32Array,
    textOf: (i: number) => Uint8Array | undefined,
    momentOf: (i: number) => Moment,
  ): void {
    for (const slot of removed) if (this.isUsed(slot)) this.#erase(slot);
    for (const [i, slot] of slots.entries()) if (this.isUsed(slot) && textOf(i) !== undefined) this.#erase(slot);
    for (const [i, slot] of slots.entries()) {
      const text = textOf(i);
      if (text === undefined && !this.isUsed(slot)) throw new Error(`slot ${slot} has no text`);
      if (text === undefined) this.touch(slot, momentOf(i));
      else this.#place(slot, text, 0, text.length, momentOf(i));
    }
    for (const slot of removed) this.#table.highest = Math.max(this.highest, slot);
    // Ascending slots are a heap.
    this.#numFree = 0;
    for (let slot = 1; slot <= this.highest; slot++) if (!this.isUsed(slot)) this.#free[this.#numFree++] = slot;
  }

  #place(slot: number, bytes: Uint8Array, begin: number, end: number, { batch, timeMs }: Moment): void {
    const { numBytes, numUnused } = this.#table;
    if (!reserveKeys(this.#table, 1, end - begin))
      throw userError('data', {
        message: `a growing vocabulary has more than ${sizeText(numBytes - numUnused)} of tokens`,
        fix: 'set a lower capacity',
      });
    if (!putKey(this.#table, slot, bytes, begin, end)) throw new Error(`slot ${slot} has the text of another slot`);
    this.#batches[slot] = this.#insertions[slot] = batch;
    if (this.hasTimes) this.#times[slot] = timeMs;
    this.counts[slot] = 0;
    if (this.hasKeys) this.keys[slot] = 0;
    this.#linkNewest(slot);
  }

  #erase(slot: number): void {
    removeKey(this.#table, slot);
    this.#unlink(slot);
  }

  #linkNewest(slot: number): void {
    const before = this.#older[0]!;
    this.#newer[before] = slot;
    this.#older[slot] = before;
    this.#newer[slot] = 0;
    this.#older[0] = slot;
  }

  #unlink(slot: number): void {
    const [older, newer] = [this.#older[slot]!, this.#newer[slot]!];
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }

  #addFree(slot: number): void {
    const heap = this.#free;
    let at = this.#numFree++;
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = heap[(at - 1) >> 1]!;
      if (parent < slot) break;
      heap[at] = parent;
    }
    heap[at] = slot;
  }

  #takeFree(): number {
    const heap = this.#free;
    const lowest = heap[0]!;
    const last = heap[--this.#numFree]!;
    let at = 0;
    for (let child = 1; child < this.#numFree; child = 2 * at + 1) {
      if (child + 1 < this.#numFree && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! > last) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return lowest;
  }
}
