const FIRST_CAPACITY = 1 << 10;

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
    const first = this.#length === 0 ? Infinity : this.#queue.times[this.#head]!;
    return this.#size === 0 ? first : Math.min(first, this.#heap.times[0]!);
  }

  push(timeMs: number, number: number, slot: number): void {
    if (this.#length > 0 && this.#queue.isAfter(this.#placeOf(this.#length - 1), timeMs, number)) {
      this.#sift(timeMs, number, slot);
      return;
    }
    if (this.#length === this.#queue.capacity) {
      this.#queue.grow(this.#head);
      this.#head = 0;
    }
    this.#queue.set(this.#placeOf(this.#length++), timeMs, number, slot);
  }

  /** Removes the entry with the earliest time, and returns it. */
  pop(): TimedSlot {
    const [queue, heap] = [this.#queue, this.#heap];
    const isQueued =
      this.#size === 0 || (this.#length > 0 && !queue.isAfter(this.#head, heap.times[0]!, heap.numbers[0]!));
    if (!isQueued) return this.#popHeap();
    const first = queue.at(this.#head);
    this.#head = this.#placeOf(1);
    this.#length--;
    return first;
  }

  #placeOf(index: number): number {
    return (this.#head + index) & (this.#queue.capacity - 1);
  }

  #sift(timeMs: number, number: number, slot: number): void {
    const heap = this.#heap;
    if (this.#size === heap.capacity) heap.grow(0);
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!heap.isAfter(parent, timeMs, number)) break;
      heap.move(parent, at);
      at = parent;
    }
    heap.set(at, timeMs, number, slot);
  }

  #popHeap(): TimedSlot {
    const heap = this.#heap;
    const first = heap.at(0);
    const last = --this.#size;
    const [timeMs, number, slot] = [heap.times[last]!, heap.numbers[last]!, heap.slots[last]!];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && heap.isAfter(child, heap.times[child + 1]!, heap.numbers[child + 1]!)) child++;
      if (heap.isAfter(child, timeMs, number)) break;
      heap.move(child, at);
      at = child;
    }
    heap.set(at, timeMs, number, slot);
    return first;
  }
}

/** Slots with times and numbers in memory of a capacity, which is a power of two. */
class TimedSlots {
  times = new Float64Array(FIRST_CAPACITY);
  numbers = new Float64Array(FIRST_CAPACITY);
  slots = new Uint32Array(FIRST_CAPACITY);

  get capacity(): number {
    return this.times.length;
  }

  at(place: number): TimedSlot {
    return { timeMs: this.times[place]!, slot: this.slots[place]!, number: this.numbers[place]! };
  }

  /** Whether an entry is after a time and number. */
  isAfter(place: number, timeMs: number, number: number): boolean {
    const own = this.times[place]!;
    return own > timeMs || (own === timeMs && this.numbers[place]! > number);
  }

  set(place: number, timeMs: number, number: number, slot: number): void {
    this.times[place] = timeMs;
    this.numbers[place] = number;
    this.slots[place] = slot;
  }

  move(from: number, to: number): void {
    this.set(to, this.times[from]!, this.numbers[from]!, this.slots[from]!);
  }

  /** Doubles the capacity; the entries from `head` on, and then those before it, move to the beginning. */
  grow(head: number): void {
    const larger = <Values extends Float64Array | Uint32Array>(values: Values, into: Values): Values => {
      into.set(values.subarray(head));
      into.set(values.subarray(0, head), values.length - head);
      return into;
    };
    const capacity = 2 * this.capacity;
    this.times = larger(this.times, new Float64Array(capacity));
    this.numbers = larger(this.numbers, new Float64Array(capacity));
    this.slots = larger(this.slots, new Uint32Array(capacity));
  }
}
