const FIRST_CAPACITY = 64;

/** Events in order of time, oldest first, in memory that grows. An index is a position since the first event. */
export class EventQueue {
  /** Index of the oldest event. */
  head = 0;
  /** Index after the newest event. */
  tail = 0;
  /** Time of an event, or number of the slot of several. */
  times = new Float64Array(FIRST_CAPACITY);
  keys = new Uint32Array(FIRST_CAPACITY);
  sums = new Float64Array(FIRST_CAPACITY);
  rows = new Uint32Array(FIRST_CAPACITY);

  get bytes(): number {
    return this.times.length * (8 + 4 + 8 + 4);
  }

  /** Returns the position of an event in the arrays. */
  at(index: number): number {
    return index & (this.times.length - 1);
  }

  push(time: number, key: number, sum: number, rows: number): void {
    if (this.tail - this.head === this.times.length) this.#grow();
    const at = this.at(this.tail++);
    this.times[at] = time;
    this.keys[at] = key;
    this.sums[at] = sum;
    this.rows[at] = rows;
  }

  /** Copies a column, oldest first. */
  list<Values extends Float64Array | Uint32Array>(column: Values): Values {
    const values = column.slice(0, this.tail - this.head) as Values;
    for (let i = this.head; i < this.tail; i++) values[i - this.head] = column[this.at(i)]!;
    return values;
  }

  #grow(): void {
    const { times, keys, sums, rows, head, tail } = this;
    const from = Array.from({ length: tail - head }, (_, i) => this.at(head + i));
    this.times = new Float64Array(2 * times.length);
    this.keys = new Uint32Array(2 * times.length);
    this.sums = new Float64Array(2 * times.length);
    this.rows = new Uint32Array(2 * times.length);
    for (const [i, old] of from.entries()) {
      const at = this.at(head + i);
      this.times[at] = times[old]!;
      this.keys[at] = keys[old]!;
      this.sums[at] = sums[old]!;
      this.rows[at] = rows[old]!;
    }
  }
}
