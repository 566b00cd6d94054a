const FIRST_CAPACITY = 1 << 10;
/** Numbers per slot: its time, number and slot. */
const STRIDE = 3;

/** A slot that waits for a time. */
export interface TimedSlot {
  readonly timeMs: number;
  readonly slot: number;
  /** Order among slots with the same time. */
  readonly number: number;
}

/**
 * Slots by time, and of equal times by number. A slot that is not before the one that was appended last is appended to
 * a queue, and others are in a binary heap: most slots wait equally long, and a heap of many is slow.
 */
export class TimeHeap {
  readonly #queue = new TimedSlots();
  /** Place of the first slot of the queue; `#length` slots follow around the end of the memory. */
  #head = 0;
  #length = 0;
  readonly #heap = new TimedSlots();
  #size = 0;

  /** The earliest time; infinite if there is none. */
  get first(): number {
    const first = this.#length === 0 ? Infinity : this.#queue.timeAt(this.#head);
    return this.#size === 0 ? first : Math.min(first, this.#heap.timeAt(0));
  }

  push(timeMs: number, number: number, slot: number): void {
    const queue = this.#queue;
    const entry = { timeMs, number, slot };
    if (this.#length > 0 && queue.isAfter(this.#placeOf(this.#length - 1), entry)) {
      this.#sift(entry);
      return;
    }
    if (this.#length === queue.capacity) {
      queue.grow(this.#head);
      this.#head = 0;
    }
    queue.set(this.#placeOf(this.#length++), entry);
  }

  /** Removes the entry with the earliest time, and returns it. */
  pop(): TimedSlot {
    const first = this.#queue.at(this.#head);
    if (this.#length === 0 || (this.#size > 0 && !this.#heap.isAfter(0, first))) return this.#popHeap();
    this.#head = this.#placeOf(1);
    this.#length--;
    return first;
  }

  #placeOf(index: number): number {
    return (this.#head + index) & (this.#queue.capacity - 1);
  }

  #sift(entry: TimedSlot): void {
    const heap = this.#heap;
    if (this.#size === heap.capacity) heap.grow(0);
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!heap.isAfter(parent, entry)) break;
      heap.set(at, heap.at(parent));
      at = parent;
    }
    heap.set(at, entry);
  }

  #popHeap(): TimedSlot {
    const heap = this.#heap;
    const first = heap.at(0);
    const last = --this.#size;
    const entry = heap.at(last);
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && heap.isAfter(child, heap.at(child + 1))) child++;
      if (heap.isAfter(child, entry)) break;
      heap.set(at, heap.at(child));
      at = child;
    }
    heap.set(at, entry);
    return first;
  }
}

/** Memory for a number of slots that is a power of two. */
class TimedSlots {
  #values = new Float64Array(STRIDE * FIRST_CAPACITY);
  capacity = FIRST_CAPACITY;

  timeAt(place: number): number {
    return this.#values[STRIDE * place]!;
  }

  at(place: number): TimedSlot {
    const at = STRIDE * place;
    return { timeMs: this.#values[at]!, number: this.#values[at + 1]!, slot: this.#values[at + 2]! };
  }

  /** Whether the slot in a place comes after another one. */
  isAfter(place: number, { timeMs, number }: TimedSlot): boolean {
    const own = this.timeAt(place);
    return own > timeMs || (own === timeMs && this.#values[STRIDE * place + 1]! > number);
  }

  set(place: number, { timeMs, number, slot }: TimedSlot): void {
    const at = STRIDE * place;
    this.#values[at] = timeMs;
    this.#values[at + 1] = number;
    this.#values[at + 2] = slot;
  }

  /** Doubles the capacity; the slots from `head` on, and then those before it, move to the beginning. */
  grow(head: number): void {
    const [values, begin] = [this.#values, STRIDE * head];
    this.#values = new Float64Array(2 * values.length);
    this.#values.set(values.subarray(begin));
    this.#values.set(values.subarray(0, begin), values.length - begin);
    this.capacity *= 2;
  }
}
