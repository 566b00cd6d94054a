import { grown } from '../../core/grown.js';

const FIRST_CAPACITY = 1 << 10;

/** A slot that waits for a time. */
export interface TimedSlot {
  readonly timeMs: number;
  readonly slot: number;
  /** Order among slots with the same time. */
  readonly number: number;
}

/** A binary heap of slots by time, and of equal times by number. */
export class TimeHeap {
  #times = new Float64Array(FIRST_CAPACITY);
  #numbers = new Float64Array(FIRST_CAPACITY);
  #slots = new Uint32Array(FIRST_CAPACITY);
  #size = 0;

  /** The earliest time; infinite if there is none. */
  get first(): number {
    return this.#size === 0 ? Infinity : this.#times[0]!;
  }

  push(timeMs: number, number: number, slot: number): void {
    let at = this.#size++;
    if (this.#size > this.#times.length) {
      this.#times = grown(this.#times, this.#size);
      this.#numbers = grown(this.#numbers, this.#size);
      this.#slots = grown(this.#slots, this.#size);
    }
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(timeMs, number, parent)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#set(at, timeMs, number, slot);
  }

  /** Removes the entry with the earliest time, and returns it. */
  pop(): TimedSlot {
    const first = { timeMs: this.#times[0]!, slot: this.#slots[0]!, number: this.#numbers[0]! };
    const last = --this.#size;
    const [timeMs, number, slot] = [this.#times[last]!, this.#numbers[last]!, this.#slots[last]!];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#isBefore(this.#times[child + 1]!, this.#numbers[child + 1]!, child)) child++;
      if (this.#isBefore(timeMs, number, child)) break;
      this.#move(child, at);
      at = child;
    }
    this.#set(at, timeMs, number, slot);
    return first;
  }

  #isBefore(timeMs: number, number: number, other: number): boolean {
    return timeMs < this.#times[other]! || (timeMs === this.#times[other] && number < this.#numbers[other]!);
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#times[from]!, this.#numbers[from]!, this.#slots[from]!);
  }

  #set(at: number, timeMs: number, number: number, slot: number): void {
    this.#times[at] = timeMs;
    this.#numbers[at] = number;
    this.#slots[at] = slot;
  }
}
