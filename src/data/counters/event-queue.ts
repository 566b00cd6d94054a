import { grown } from '../../core/grown.js';

const FIRST_CAPACITY = 64;

/** Events in order of time, oldest first, in memory that grows. An index is a position since the first event. */
export class EventQueue {
  /** Index of the oldest event. */
  head = 1;
  /** Index after the newest event. */
  tail = 1;
  /** Time of an event, or number of the slot of several. */
  times = new Float64Array(FIRST_CAPACITY);
  keys = new Uint32Array(FIRST_CAPACITY);
  sums = new Float64Array(FIRST_CAPACITY);
  rows = new Uint32Array(FIRST_CAPACITY);
  #links: KeyLinks | undefined;

  get bytes(): number {
    return this.times.length * (8 + 4 + 8 + 4) + (this.#links?.bytes ?? 0);
  }

  /** Returns the position of an event in the arrays. */
  at(index: number): number {
    return index & (this.times.length - 1);
  }

  push(time: number, key: number, sum: number, rows: number): void {
    if (this.tail - this.head === this.times.length) this.#reserve(2 * this.times.length);
    const at = this.at(this.tail);
    this.times[at] = time;
    this.keys[at] = key;
    this.sums[at] = sum;
    this.rows[at] = rows;
    this.tail++;
    this.#links?.push(this.tail - 1);
  }

  /** Removes the oldest event. */
  pop(): void {
    this.#links?.pop();
    this.head++;
  }

  /** Links the events of each key, also later ones. */
  link(): void {
    this.#links = new KeyLinks(this);
  }

  /** The events of each key, which are linked. */
  get links(): KeyLinks {
    return this.#links!;
  }

  /** Copies a column, oldest first. */
  list<Values extends Float64Array | Uint32Array>(column: Values): Values {
    const values = column.slice(0, this.tail - this.head) as Values;
    for (let i = this.head; i < this.tail; i++) values[i - this.head] = column[this.at(i)]!;
    return values;
  }

  #reserve(capacity: number): void {
    const { times, keys, sums, rows, head, tail } = this;
    const copyTo = <Values extends Float64Array | Uint32Array>(larger: Values, values: Values): Values => {
      for (let i = head; i < tail; i++) larger[i & (capacity - 1)] = values[i & (values.length - 1)]!;
      return larger;
    };
    this.times = copyTo(new Float64Array(capacity), times);
    this.keys = copyTo(new Uint32Array(capacity), keys);
    this.sums = copyTo(new Float64Array(capacity), sums);
    this.rows = copyTo(new Uint32Array(capacity), rows);
    if (this.#links !== undefined) this.link();
  }
}

/** The events of each key of a queue, as a list in order of time, and their totals. Index 0 is no event. */
class KeyLinks {
  readonly #queue: EventQueue;
  /** Distance to the next event of the key and to the previous one, by position in the queue; 0 for none. */
  readonly #next: Uint32Array;
  readonly #previous: Uint32Array;
  // By key, which may be larger than those of all events: index of the oldest and of the newest event, and totals.
  oldest = new Float64Array(0);
  newest = new Float64Array(0);
  sums = new Float64Array(0);
  rows = new Float64Array(0);

  constructor(queue: EventQueue) {
    this.#queue = queue;
    this.#next = new Uint32Array(queue.times.length);
    this.#previous = new Uint32Array(queue.times.length);
    for (let i = queue.head; i < queue.tail; i++) this.push(i);
  }

  get bytes(): number {
    return 2 * this.#next.byteLength + 4 * this.oldest.byteLength;
  }

  /** Returns the index of the next event of the same key. */
  next(index: number): number {
    const distance = this.#next[this.#queue.at(index)]!;
    return distance === 0 ? 0 : index + distance;
  }

  /** Returns the index of the previous event of the same key, which is not the oldest one. */
  previous(index: number): number {
    return index - this.#previous[this.#queue.at(index)]!;
  }

  /** Adds the newest event of the queue. */
  push(index: number): void {
    const queue = this.#queue;
    const at = queue.at(index);
    const key = queue.keys[at]!;
    if (key >= this.oldest.length) this.#enlarge(key + 1);
    const newest = this.newest[key]!;
    if (newest === 0) this.oldest[key] = index;
    else this.#next[queue.at(newest)] = index - newest;
    this.#next[at] = 0;
    this.#previous[at] = newest === 0 ? 0 : index - newest;
    this.newest[key] = index;
    this.sums[key]! += queue.sums[at]!;
    this.rows[key]! += queue.rows[at]!;
  }

  /** Removes the oldest event of the queue. */
  pop(): void {
    const { head, keys, sums, rows } = this.#queue;
    const at = this.#queue.at(head);
    const key = keys[at]!;
    this.oldest[key] = this.next(head);
    if (this.oldest[key] === 0) this.newest[key] = 0;
    this.rows[key]! -= rows[at]!;
    // No rounding error outlives the events of a key.
    this.sums[key] = this.rows[key] === 0 ? 0 : this.sums[key]! - sums[at]!;
  }

  #enlarge(size: number): void {
    [this.oldest, this.newest] = [grown(this.oldest, size), grown(this.newest, size)];
    [this.sums, this.rows] = [grown(this.sums, size), grown(this.rows, size)];
  }
}
