const FIRST_CAPACITY = 64;
const MAX_DISTANCE = 2 ** 32 - 1;

/** Events in order of time, oldest first, in memory that grows. An index is a position since the first event. */
export class EventQueue {
  // The index 0 is that of no event.
  /** Index of the oldest event. */
  head = 1;
  /** Index after the newest event. */
  tail = 1;
  /** Time of an event, or number of the slot of several. */
  times = new Float64Array(FIRST_CAPACITY);
  keys = new Uint32Array(FIRST_CAPACITY);
  sums = new Float64Array(FIRST_CAPACITY);
  rows = new Uint32Array(FIRST_CAPACITY);
  /** Distance to the previous event of the key; that to one before the head if there is none. */
  #distances = new Uint32Array(FIRST_CAPACITY);
  /** Index of the newest event by key. */
  #newest = new Float64Array(0);

  get bytes(): number {
    return this.times.length * (8 + 4 + 8 + 4 + 4) + this.#newest.byteLength;
  }

  /** Returns the position of an event in the arrays. */
  at(index: number): number {
    return index & (this.times.length - 1);
  }

  push(time: number, key: number, sum: number, rows: number): void {
    if (this.tail - this.head === this.times.length) this.#grow();
    if (key >= this.#newest.length) this.#newest = enlarged(this.#newest, key + 1);
    const at = this.at(this.tail);
    this.times[at] = time;
    this.keys[at] = key;
    this.sums[at] = sum;
    this.rows[at] = rows;
    this.#distances[at] = Math.min(this.tail - this.#newest[key]!, MAX_DISTANCE);
    this.#newest[key] = this.tail++;
  }

  /** Returns the index of the newest event of a key, less than the head if there is none. */
  newestOf(key: number): number {
    return this.#newest[key] ?? 0;
  }

  /** Lists the positions of the events of a key in the arrays, oldest first. */
  positionsOf(key: number): readonly number[] {
    const found: number[] = [];
    for (let index = this.newestOf(key); index >= this.head;) {
      const at = this.at(index);
      found.push(at);
      index -= this.#distances[at]!;
    }
    return found.reverse();
  }

  /** Copies a column, oldest first. */
  list<Values extends Float64Array | Uint32Array>(column: Values): Values {
    const values = column.slice(0, this.tail - this.head) as Values;
    for (let i = this.head; i < this.tail; i++) values[i - this.head] = column[this.at(i)]!;
    return values;
  }

  #grow(): void {
    const { head, tail } = this;
    const copyTo = <Values extends Float64Array | Uint32Array>(values: Values, larger: Values): Values => {
      for (let i = head; i < tail; i++) larger[i & (larger.length - 1)] = values[this.at(i)]!;
      return larger;
    };
    const { times, keys, sums, rows } = this;
    const size = 2 * times.length;
    this.keys = copyTo(keys, new Uint32Array(size));
    this.sums = copyTo(sums, new Float64Array(size));
    this.rows = copyTo(rows, new Uint32Array(size));
    this.#distances = copyTo(this.#distances, new Uint32Array(size));
    // Last, since its length is the capacity.
    this.times = copyTo(times, new Float64Array(size));
  }
}

/** Copies values into an array with a larger capacity, at least `size`; others are 0. */
export function enlarged(values: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.max(size, 2 * values.length, FIRST_CAPACITY));
  larger.set(values);
  return larger;
}
