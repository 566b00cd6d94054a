import { grown } from '../core/grown.js';
import { hashEvents, valuesName, type EventValues, type LogColumn, type SortedEvents } from './event-log.js';
import { TextCounter } from './vocabulary/text-counter.js';
import { createTextTable } from './vocabulary/text-table.js';

/** Initial capacity in events. */
const FIRST_EVENTS = 1 << 10;

/** Elements in memory that doubles. */
class Growing<Data extends Uint32Array | Float64Array> {
  #data: Data;
  #size = 0;

  constructor(memory: Data) {
    this.#data = memory;
  }

  get size(): number {
    return this.#size;
  }

  push(value: number): void {
    if (this.#size === this.#data.length) this.#data = grown(this.#data, this.#size + 1);
    this.#data[this.#size++] = value;
  }

  /** Returns the elements with some indices, in shared memory. */
  gather(indices: Uint32Array, create: (length: number) => Data): Data {
    const gathered = create(indices.length);
    for (let i = 0; i < indices.length; i++) gathered[i] = this.#data[indices[i]!]!;
    return gathered;
  }

  get(index: number): number {
    return this.#data[index]!;
  }
}

const sharedWords = (length: number): Uint32Array => new Uint32Array(new SharedArrayBuffer(4 * length));
const sharedDoubles = (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(8 * length));

/** Values of a column while events are added. */
interface GrowingColumn {
  readonly texts: TextCounter | undefined;
  readonly codes: Growing<Uint32Array>;
  readonly numbers: Growing<Float64Array>;
}

/** Collects events in any order. */
export class EventLogBuilder {
  readonly #keys: TextCounter;
  readonly #users = new Growing<Uint32Array>(new Uint32Array(FIRST_EVENTS));
  readonly #times = new Growing<Float64Array>(new Float64Array(FIRST_EVENTS));
  readonly #columns: ReadonlyMap<string, GrowingColumn>;

  /** @param name of the log, for errors */
  constructor(name: string, columns: readonly LogColumn[]) {
    this.#keys = new TextCounter(name);
    this.#columns = new Map(
      columns.map((column) => [
        valuesName(column),
        {
          texts: column.values === 'text' ? new TextCounter(name) : undefined,
          codes: new Growing<Uint32Array>(new Uint32Array(FIRST_EVENTS)),
          numbers: new Growing<Float64Array>(new Float64Array(FIRST_EVENTS)),
        },
      ]),
    );
  }

  /**
   * Adds an event.
   * @param values by the name of the values: a text, which is empty if it is missing, or a number
   * @throws UserError (data) if there are too many distinct texts
   */
  add(key: string, time: number, values: (name: string) => string | number): void {
    this.#users.push(this.#keys.add(key));
    this.#times.push(time);
    for (const [name, { texts, codes, numbers }] of this.#columns) {
      const value = values(name);
      if (typeof value === 'number') numbers.push(value);
      else codes.push(value === '' ? 0 : texts!.add(value));
    }
  }

  /** Sorts the events by user and time; events of the same time keep their order. */
  finish(): SortedEvents {
    const { bytes, offsets } = this.#keys.numbered();
    // Index 0 of numbered texts is empty.
    const users = createTextTable({ bytes, offsets: offsets.subarray(1) });
    const firsts = this.#countUsers(offsets.length - 2);
    const order = this.#sort(firsts);
    const columns = [...this.#columns].map(([name, { texts, codes, numbers }]): [string, EventValues] => [
      name,
      texts === undefined
        ? { numbers: numbers.gather(order, sharedDoubles) }
        : { texts: texts.numbered(), codes: codes.gather(order, sharedWords) },
    ]);
    const times = this.#times.gather(order, sharedDoubles);
    const events = { users, firsts, times, columns: new Map(columns) };
    return { ...events, digest: hashEvents(events) };
  }

  /** Returns the first event of each user, from user 0, and the end. */
  #countUsers(numUsers: number): Uint32Array {
    const firsts = sharedWords(numUsers + 2);
    for (let event = 0; event < this.#users.size; event++) firsts[this.#users.get(event) + 1]!++;
    for (let user = 1; user < firsts.length; user++) firsts[user]! += firsts[user - 1]!;
    return firsts;
  }

  /** Returns the events in order. */
  #sort(firsts: Uint32Array): Uint32Array {
    const order = new Uint32Array(this.#users.size);
    const next = firsts.slice();
    for (let event = 0; event < order.length; event++) order[next[this.#users.get(event)]!++] = event;
    const times = this.#times;
    for (let user = 1; user < firsts.length - 1; user++) {
      const [begin, end] = [firsts[user]!, firsts[user + 1]!];
      let isSorted = true;
      for (let i = begin + 1; i < end; i++) isSorted &&= times.get(order[i - 1]!) <= times.get(order[i]!);
      if (!isSorted) order.subarray(begin, end).sort((a, b) => times.get(a) - times.get(b) || a - b);
    }
    return order;
  }
}
