import { grown } from './grown.js';

/** Numbers per entry: its time, order, id and value. */
const STRIDE = 4;

/**
 * Entries by time, and of equal times by their order. An entry that is not before the one that was added last to a
 * queue is added to the queue, in constant time, and others to a heap, in logarithmic time: most entries are in order,
 * and a heap of many is slow.
 */
export class TimeQueue {
  #queue: Float64Array = new Float64Array(0);
  // Offsets of the first entry of the queue, and of the one after its last.
  #head = 0;
  #tail = 0;
  #heap: Float64Array = new Float64Array(0);
  /** Offset after the last entry of the heap. */
  #end = 0;
  #first = Infinity;
  /** The entry that was removed last. */
  #removed = this.#queue;
  #removedAt = 0;

  get bytes(): number {
    return this.#queue.byteLength + this.#heap.byteLength;
  }

  /** Time of the first entry; infinite if there is none. */
  get first(): number {
    return this.#first;
  }

  push(time: number, order: number, id: number, value = 0): void {
    if (time < this.#first) this.#first = time;
    if (this.#head < this.#tail && isBefore(time, order, this.#queue, this.#tail - STRIDE)) {
      this.#pushToHeap(time, order, id, value);
      return;
    }
    if (this.#tail === this.#queue.length) this.#reserve();
    setEntry(this.#queue, this.#tail, time, order, id, value);
    this.#tail += STRIDE;
  }

  /** Removes the first entry, which `time`, `order`, `id` and `value` describe until the next call. */
  pop(): void {
    const [queue, heap, head] = [this.#queue, this.#heap, this.#head];
    if (head === this.#tail || (this.#end > 0 && isBefore(heap[0]!, heap[1]!, queue, head))) this.#popFromHeap();
    else {
      [this.#removed, this.#removedAt] = [queue, head];
      this.#head += STRIDE;
    }
    const next = this.#head < this.#tail ? queue[this.#head]! : Infinity;
    this.#first = this.#end > 0 && heap[0]! < next ? heap[0]! : next;
  }

  get time(): number {
    return this.#removed[this.#removedAt]!;
  }

  get order(): number {
    return this.#removed[this.#removedAt + 1]!;
  }

  get id(): number {
    return this.#removed[this.#removedAt + 2]!;
  }

  get value(): number {
    return this.#removed[this.#removedAt + 3]!;
  }

  /** Calls `visit` with each entry, in order. */
  each(visit: (time: number, id: number, value: number) => void): void {
    const [queue, heap] = [this.#queue, this.#heap];
    const visitEntry = (entries: Float64Array, at: number): void =>
      visit(entries[at]!, entries[at + 2]!, entries[at + 3]!);
    const late = Array.from({ length: this.#end / STRIDE }, (_, i) => STRIDE * i);
    late.sort((a, b) => (isBefore(heap[a]!, heap[a + 1]!, heap, b) ? -1 : 1));
    let next = 0;
    for (let at = this.#head; at < this.#tail; at += STRIDE) {
      for (; next < late.length && isBefore(heap[late[next]!]!, heap[late[next]! + 1]!, queue, at); next++)
        visitEntry(heap, late[next]!);
      visitEntry(queue, at);
    }
    for (; next < late.length; next++) visitEntry(heap, late[next]!);
  }

  /**
   * Makes memory for one more entry of the queue: it reuses the memory of removed entries if they are at least half of
   * it.
   */
  #reserve(): void {
    this.#queue.copyWithin(0, this.#head, this.#tail);
    [this.#head, this.#tail] = [0, this.#tail - this.#head];
    if (2 * this.#tail >= this.#queue.length) this.#queue = grown(this.#queue, this.#tail + STRIDE);
  }

  #pushToHeap(time: number, order: number, id: number, value: number): void {
    const heap = (this.#heap = grown(this.#heap, this.#end + STRIDE));
    let at = this.#end;
    this.#end += STRIDE;
    for (let parent; at > 0 && isBefore(time, order, heap, (parent = parentOf(at))); at = parent)
      heap.copyWithin(at, parent, parent + STRIDE);
    setEntry(heap, at, time, order, id, value);
  }

  /** Moves the first entry of the heap to the end of the memory of the others. */
  #popFromHeap(): void {
    const heap = this.#heap;
    const [time, order, id, value] = [heap[0]!, heap[1]!, heap[2]!, heap[3]!];
    const last = (this.#end -= STRIDE);
    const [lastTime, lastOrder] = [heap[last]!, heap[last + 1]!];
    let at = 0;
    for (let child = STRIDE; child < last; child = 2 * at + STRIDE) {
      const other = child + STRIDE;
      if (other < last && isBefore(heap[other]!, heap[other + 1]!, heap, child)) child = other;
      if (isBefore(lastTime, lastOrder, heap, child)) break;
      heap.copyWithin(at, child, child + STRIDE);
      at = child;
    }
    heap.copyWithin(at, last, last + STRIDE);
    setEntry(heap, last, time, order, id, value);
    [this.#removed, this.#removedAt] = [heap, last];
  }
}

/** Returns the offset of the parent of an entry in a heap. */
function parentOf(at: number): number {
  return STRIDE * ((at / STRIDE - 1) >> 1);
}

/** Returns whether a time and order are before the time and order of an entry. */
function isBefore(time: number, order: number, entries: Float64Array, at: number): boolean {
  const other = entries[at]!;
  return time < other || (time === other && order < entries[at + 1]!);
}

function setEntry(entries: Float64Array, at: number, time: number, order: number, id: number, value: number): void {
  entries[at] = time;
  entries[at + 1] = order;
  entries[at + 2] = id;
  entries[at + 3] = value;
}
