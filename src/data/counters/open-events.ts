import { grown } from '../../core/grown.js';

/** Columns of events. */
interface Columns {
  times: Float64Array;
  keys: Uint32Array;
  values: Float64Array;
}

/**
 * Events that earlier ones may follow, removed in order of time; those of equal times in the order in which they were
 * added. An event in order is added to a queue in constant time, and a late one to a heap in logarithmic time.
 */
export class OpenEvents {
  readonly #queue = emptyColumns();
  #head = 0;
  #tail = 0;
  /** Time of the latest event. */
  #latest = -Infinity;
  readonly #late = emptyColumns();
  /** Order of the late events. */
  #numbers = new Float64Array(0);
  #numLate = 0;
  #nextNumber = 0;
  #firstTime = Infinity;
  /** The event that was removed last. */
  #removed = this.#queue;
  #removedAt = 0;

  get bytes(): number {
    return 20 * this.#queue.times.length + 28 * this.#numbers.length;
  }

  /** Time of the first event; infinite for none. */
  get firstTime(): number {
    return this.#firstTime;
  }

  push(time: number, key: number, value: number): void {
    if (time < this.#firstTime) this.#firstTime = time;
    if (time < this.#latest) {
      this.#pushLate(time, key, value);
      return;
    }
    this.#latest = time;
    if (this.#tail === this.#queue.times.length) this.#reserve();
    setEvent(this.#queue, this.#tail++, time, key, value);
  }

  /** Removes the first event, which `time`, `key` and `value` describe until the next call. */
  pop(): void {
    const { times } = this.#queue;
    if (this.#head === this.#tail || (this.#numLate > 0 && this.#late.times[0]! < times[this.#head]!)) this.#popLate();
    else {
      this.#removed = this.#queue;
      this.#removedAt = this.#head++;
    }
    const next = this.#head < this.#tail ? times[this.#head]! : Infinity;
    this.#firstTime = this.#numLate > 0 && this.#late.times[0]! < next ? this.#late.times[0]! : next;
  }

  get time(): number {
    return this.#removed.times[this.#removedAt]!;
  }

  get key(): number {
    return this.#removed.keys[this.#removedAt]!;
  }

  get value(): number {
    return this.#removed.values[this.#removedAt]!;
  }

  /** Calls `visit` with each event, in order. */
  each(visit: (time: number, key: number, value: number) => void): void {
    const order = Array.from({ length: this.#numLate }, (_, i) => i);
    order.sort((a, b) => (this.#isBefore(a, b) ? -1 : 1));
    let next = 0;
    const visitLate = (end: number): void => {
      const { times, keys, values } = this.#late;
      for (; next < order.length && times[order[next]!]! < end; next++)
        visit(times[order[next]!]!, keys[order[next]!]!, values[order[next]!]!);
    };
    const { times, keys, values } = this.#queue;
    for (let i = this.#head; i < this.#tail; i++) {
      visitLate(times[i]!);
      visit(times[i]!, keys[i]!, values[i]!);
    }
    visitLate(Infinity);
  }

  /** Makes memory for one more event in order: that of removed ones if they are at least half of it. */
  #reserve(): void {
    const { times, keys, values } = this.#queue;
    for (const column of [times, keys, values]) column.copyWithin(0, this.#head, this.#tail);
    [this.#head, this.#tail] = [0, this.#tail - this.#head];
    if (2 * this.#tail >= times.length) growColumns(this.#queue, this.#tail + 1);
  }

  #pushLate(time: number, key: number, value: number): void {
    growColumns(this.#late, this.#numLate + 1);
    this.#numbers = grown(this.#numbers, this.#late.times.length);
    let place = this.#numLate++;
    const number = this.#nextNumber++;
    for (let parent; place > 0 && time < this.#late.times[(parent = (place - 1) >> 1)]!; place = parent)
      this.#moveLate(parent, place);
    setEvent(this.#late, place, time, key, value);
    this.#numbers[place] = number;
  }

  /** Moves the first late event to the end of the memory of the others. */
  #popLate(): void {
    const { times, keys, values } = this.#late;
    const [time, key, value] = [times[0]!, keys[0]!, values[0]!];
    const last = --this.#numLate;
    let place = 0;
    for (let child = 1; child < last; child = 2 * place + 1) {
      if (child + 1 < last && this.#isBefore(child + 1, child)) child++;
      if (this.#isBefore(last, child)) break;
      this.#moveLate(child, place);
      place = child;
    }
    this.#moveLate(last, place);
    setEvent(this.#late, last, time, key, value);
    [this.#removed, this.#removedAt] = [this.#late, last];
  }

  #isBefore(a: number, b: number): boolean {
    const { times } = this.#late;
    return times[a]! < times[b]! || (times[a] === times[b] && this.#numbers[a]! < this.#numbers[b]!);
  }

  #moveLate(from: number, to: number): void {
    const { times, keys, values } = this.#late;
    setEvent(this.#late, to, times[from]!, keys[from]!, values[from]!);
    this.#numbers[to] = this.#numbers[from]!;
  }
}

function emptyColumns(): Columns {
  return { times: new Float64Array(0), keys: new Uint32Array(0), values: new Float64Array(0) };
}

function growColumns(columns: Columns, length: number): void {
  columns.times = grown(columns.times, length);
  columns.keys = grown(columns.keys, columns.times.length);
  columns.values = grown(columns.values, columns.times.length);
}

function setEvent({ times, keys, values }: Columns, at: number, time: number, key: number, value: number): void {
  times[at] = time;
  keys[at] = key;
  values[at] = value;
}
