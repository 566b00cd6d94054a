import { grown } from '../core/grown.js';
import { tensorError } from '../io/named-tensor.js';
import type { EventValues } from './event-log.js';
import { SeenEvents } from './seen-events.js';
import type { StoredColumn, StoredEvents, StorePlace } from './stored-events.js';
import { createStringPool, textReader, type StringPool } from './vocabulary/string-pool.js';
import { TextCounter } from './vocabulary/text-counter.js';

/** Initial capacity in events, and in users. */
const FIRST_EVENTS = 1 << 10;
/** Bytes per user: the newest event, two numbers, and about 40 for its text. */
const USER_BYTES = 52;

/** What a store keeps. */
export interface EventStoreOptions {
  readonly columns: readonly StoredColumn[];
  /** Maximum number of events that a row sees. */
  readonly last: number;
}

/** Values of a column by slot: numbers, or codes of texts, 0 for a missing one. */
interface SlotValues extends StoredColumn {
  numbers: Float64Array;
  codes: Uint32Array;
  readonly texts: TextCounter;
}

/**
 * Events of a stream by user, in the order in which they are added. A row sees the newest events of its user among
 * those that were added before it was read, if they are earlier than the row.
 *
 * The stream is read again from a position. The store keeps all events after it, and of those before it the newest ones
 * of each user, which the rows after the position may see. Slots of other events are used again.
 */
export class EventStore {
  /** In order of their names. */
  readonly columns: readonly StoredColumn[];
  readonly last: number;
  readonly #users: TextCounter;
  #position = 0;
  #end = 0;
  #count = 0;
  /** What was saved last, and what the next checkpoint has. */
  #saved = 0;
  #marked = { position: 0, end: 0, count: 0 };
  #numUsers = 0;
  // By user, from 1:
  /** Slot of the newest event, plus one. */
  #newest = new Uint32Array(FIRST_EVENTS);
  #numEvents = new Uint32Array(FIRST_EVENTS);
  /** Number of events beyond which old ones are removed. */
  #limits = new Uint32Array(FIRST_EVENTS);
  // By slot:
  /** Slot of the event before, plus one. */
  #older = new Uint32Array(FIRST_EVENTS);
  #userOf = new Uint32Array(FIRST_EVENTS);
  /** Number of the event, from 0; -1 if it was in a checkpoint. */
  #numbers = new Float64Array(FIRST_EVENTS);
  #records = new Float64Array(FIRST_EVENTS);
  #times = new Float64Array(FIRST_EVENTS);
  readonly #values: readonly SlotValues[];
  #numSlots = 0;
  readonly #free: number[] = [];
  /** Slots of the events since the last save, by number. */
  #recent: number[] = [];
  #found = new Uint32Array(0);

  /** @param name of the log, for errors */
  constructor(
    readonly name: string,
    { columns, last }: EventStoreOptions,
  ) {
    this.columns = [...columns].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.last = last;
    this.#users = new TextCounter(name);
    this.#found = new Uint32Array(last);
    this.#values = this.columns.map(({ name: column, isNumber }) => ({
      name: column,
      isNumber,
      numbers: new Float64Array(isNumber ? FIRST_EVENTS : 0),
      codes: new Uint32Array(isNumber ? 0 : FIRST_EVENTS),
      texts: new TextCounter(`${name}.${column}`),
    }));
  }

  /**
   * Creates a store with the events of a full checkpoint.
   * @throws Error if they begin after others
   */
  static of(name: string, stored: StoredEvents): EventStore {
    const columns = Array.from(stored.columns, ([column, values]) => ({ name: column, isNumber: 'numbers' in values }));
    const store = new EventStore(name, { columns, last: stored.place.last });
    store.append(stored);
    return store;
  }

  /** Records whose events were added: a second read of them adds nothing. */
  get end(): number {
    return this.#end;
  }

  /** Records before the position. */
  get position(): number {
    return this.#position;
  }

  /** Bytes in memory, approximately. */
  get bytes(): number {
    const values = this.#values.reduce(
      (sum, { numbers, codes, texts }) =>
        sum + numbers.byteLength + codes.byteLength + texts.texts.bytes.length + texts.texts.offsets.byteLength,
      0,
    );
    return this.#times.length * 32 + this.#newest.length * USER_BYTES + values;
  }

  /**
   * Adds an event.
   * @param record number of the first record that sees it
   * @param values by column: a text, which is empty if it is missing, or a number
   * @throws UserError (data) if there are too many distinct texts
   */
  add(user: string, record: number, time: number, values: readonly (string | number)[]): void {
    const slot = this.#addSlot(this.#users.add(user), record, time);
    this.#numbers[slot] = this.#count++;
    this.#recent.push(slot);
    for (const [c, { isNumber, numbers, codes, texts }] of this.#values.entries()) {
      const value = values[c]!;
      if (isNumber) numbers[slot] = value as number;
      else codes[slot] = value === '' ? 0 : texts.add(value as string);
    }
  }

  /** Notes that the events of all records before one were added. */
  endAt(record: number): void {
    this.#end = Math.max(this.#end, record);
  }

  /** Moves the position, from which the stream is read again. */
  moveTo(record: number): void {
    this.#position = record;
  }

  /**
   * Finds the events that a row sees, the oldest first: the newest `last` before a time, among the events of its user
   * with the newest time and the `last` ones before these.
   * @param record number of the row; default: it sees all events
   * @returns their slots, valid until the next call or event
   */
  find(user: string, until: number, record = Infinity): Uint32Array {
    const id = this.#users.find(user);
    const seen = new SeenEvents(this.last);
    let begin = this.last;
    for (let next = id === 0 ? 0 : this.#newest[id]!; next > 0 && begin > 0; next = this.#older[next - 1]!) {
      if (this.#records[next - 1]! > record) continue;
      const time = this.#times[next - 1]!;
      if (!seen.takes(time)) break;
      if (time < until) this.#found[--begin] = next - 1;
    }
    return this.#found.subarray(begin);
  }

  /** Time of an event. */
  timeAt(slot: number): number {
    return this.#times[slot]!;
  }

  /** Number of an event in a column of numbers. */
  numberAt(column: number, slot: number): number {
    return this.#values[column]!.numbers[slot]!;
  }

  /** Code of the text of an event in a column of texts; 0 if it is missing. */
  codeAt(column: number, slot: number): number {
    return this.#values[column]!.codes[slot]!;
  }

  /** Texts of a column: the text of a code is at index code - 1. Valid until the next event. */
  textsOf(column: number): StringPool {
    return this.#values[column]!.texts.texts;
  }

  /**
   * Decides what the next checkpoint has: the events so far, of which those before the position are seen by the rows
   * after it. Events that are added while it is written are in a later one.
   */
  mark(): void {
    this.#marked = { position: this.#position, end: this.#end, count: this.#count };
  }

  /** Notes that the events up to the mark were saved. */
  markSaved(): void {
    this.#recent.splice(0, this.#marked.count - this.#saved);
    this.#saved = this.#marked.count;
  }

  /** Returns the events up to the mark, for a full checkpoint. */
  store(): StoredEvents {
    const slots: number[] = [];
    const lengths = new Map<number, number>();
    for (let user = 1; user <= this.#numUsers; user++) {
      const own: number[] = [];
      const seen = new SeenEvents(this.last);
      for (let next = this.#newest[user]!; next > 0; next = this.#older[next - 1]!) {
        if (this.#numbers[next - 1]! >= this.#marked.count) continue;
        if (this.#records[next - 1]! <= this.#marked.position && !seen.takes(this.#times[next - 1]!)) break;
        own.push(next - 1);
      }
      if (own.length > 0) lengths.set(user, own.length);
      for (let i = own.length - 1; i >= 0; i--) slots.push(own[i]!);
    }
    return this.#copy(slots, lengths, 0);
  }

  /** Returns the events between the last save and the mark, for a delta. */
  changes(): StoredEvents {
    const byUser = new Map<number, number[]>();
    for (let i = 0; i < this.#marked.count - this.#saved; i++) {
      const slot = this.#recent[i]!;
      // A removed event is one that no later row sees.
      if (this.#numbers[slot] !== this.#saved + i) continue;
      const user = this.#userOf[slot]!;
      const own = byUser.get(user);
      if (own === undefined) byUser.set(user, [slot]);
      else own.push(slot);
    }
    const lengths = new Map<number, number>();
    const slots: number[] = [];
    for (const user of Uint32Array.from(byUser.keys()).sort()) {
      const own = byUser.get(user)!;
      lengths.set(user, own.length);
      for (const slot of own) slots.push(slot);
    }
    return this.#copy(slots, lengths, this.#saved);
  }

  /**
   * Verifies that `append` can add the events of a checkpoint.
   * @throws Error if they do not follow those before, or have other columns
   */
  assertNext({ place, columns }: StoredEvents): void {
    if (place.first !== this.#count || place.last !== this.last)
      throw new Error(
        `expected the events after number ${this.#count} for ${this.last} items, found those after ` +
          `${place.first} for ${place.last}`,
      );
    for (const { name, isNumber } of this.#values) {
      const values = columns.get(name);
      if (values === undefined || 'numbers' in values !== isNumber)
        throw tensorError(`${this.name}.${isNumber ? 'numbers' : 'codes'}.${name}`, 'the tensor is missing');
    }
  }

  /**
   * Adds the events of a checkpoint: the events of a full one to an empty store, or the events of a delta after the
   * ones before.
   * @throws Error as `assertNext` does
   */
  append(stored: StoredEvents): void {
    this.assertNext(stored);
    const { place, users, lengths, records, times, columns } = stored;
    const read = this.#values.map(({ name }): ((event: number) => string | number) => {
      const values = columns.get(name)!;
      if ('numbers' in values) return (event) => values.numbers[event]!;
      const text = textReader(values.texts);
      return (event) => (values.codes[event] === 0 ? '' : text(values.codes[event]!));
    });
    this.#position = place.position;
    const userAt = textReader(users);
    let event = 0;
    for (const [user, length] of lengths.entries()) {
      const text = userAt(user);
      for (const end = event + length; event < end; event++) {
        this.add(
          text,
          records[event]!,
          times[event]!,
          read.map((value) => value(event)),
        );
      }
    }
    this.#end = place.end;
    this.#count = this.#saved = place.count;
    for (const slot of this.#recent) this.#numbers[slot] = -1;
    this.#recent = [];
    this.mark();
  }

  /** Returns a slot for the newest event of a user. */
  #addSlot(user: number, record: number, time: number): number {
    if (user >= this.#newest.length) this.#growUsers();
    this.#numUsers = Math.max(this.#numUsers, user);
    const slot = this.#free.pop() ?? this.#numSlots++;
    if (slot === this.#times.length) this.#growSlots();
    this.#older[slot] = this.#newest[user]!;
    this.#newest[user] = slot + 1;
    this.#userOf[slot] = user;
    this.#records[slot] = record;
    this.#times[slot] = time;
    const numEvents = ++this.#numEvents[user]!;
    if (numEvents > Math.max(2 * this.last, this.#limits[user]!)) this.#removeOld(user);
    return slot;
  }

  /** Removes the events of a user that no row after the position sees. */
  #removeOld(user: number): void {
    let kept = 0;
    let oldest = 0;
    const seen = new SeenEvents(this.last);
    for (let next = this.#newest[user]!; next > 0; next = this.#older[next - 1]!) {
      if (this.#records[next - 1]! <= this.#position && !seen.takes(this.#times[next - 1]!)) break;
      kept++;
      oldest = next - 1;
    }
    for (let next = this.#older[oldest]!; next > 0; next = this.#older[next - 1]!) {
      this.#numbers[next - 1] = -1;
      this.#free.push(next - 1);
    }
    this.#older[oldest] = 0;
    this.#numEvents[user] = kept;
    this.#limits[user] = 2 * kept;
  }

  /**
   * Copies events.
   * @param lengths number of the events of each user, in their order
   */
  #copy(slots: readonly number[], lengths: ReadonlyMap<number, number>, first: number): StoredEvents {
    const gather = (from: Float64Array): Float64Array => Float64Array.from(slots, (slot) => from[slot]!);
    const { position, end, count } = this.#marked;
    const place: StorePlace = { last: this.last, position, end, first, count };
    return {
      place,
      users: copyTexts(this.#users.texts, lengths.keys()),
      lengths: Uint32Array.from(lengths.values()),
      records: gather(this.#records),
      times: gather(this.#times),
      columns: new Map(
        this.#values.map(({ name, isNumber, numbers, codes, texts }): [string, EventValues] => [
          name,
          isNumber ? { numbers: gather(numbers) } : renumber(texts.texts, slots, codes),
        ]),
      ),
    };
  }

  #growUsers(): void {
    const size = 2 * this.#newest.length;
    this.#newest = grown(this.#newest, size);
    this.#numEvents = grown(this.#numEvents, size);
    this.#limits = grown(this.#limits, size);
  }

  #growSlots(): void {
    const size = 2 * this.#times.length;
    this.#older = grown(this.#older, size);
    this.#userOf = grown(this.#userOf, size);
    this.#numbers = grown(this.#numbers, size);
    this.#records = grown(this.#records, size);
    this.#times = grown(this.#times, size);
    for (const values of this.#values)
      if (values.isNumber) values.numbers = grown(values.numbers, size);
      else values.codes = grown(values.codes, size);
  }
}

/** Copies the strings with some ids, in their order. */
function copyTexts({ bytes, offsets }: StringPool, ids: Iterable<number>): StringPool {
  const all = [...ids];
  const texts = createStringPool(
    all.length,
    all.reduce((sum, id) => sum + offsets[id]! - offsets[id - 1]!, 0),
  );
  for (const [i, id] of all.entries()) {
    texts.bytes.set(bytes.subarray(offsets[id - 1], offsets[id]), texts.offsets[i]);
    texts.offsets[i + 1] = texts.offsets[i]! + offsets[id]! - offsets[id - 1]!;
  }
  return texts;
}

/** Returns the texts of some events, numbered in their order from 1; the text at 0 is empty. */
function renumber(texts: StringPool, slots: readonly number[], codes: Uint32Array): EventValues {
  const numbers = new Map<number, number>();
  const renumbered = Uint32Array.from(slots, (slot) => {
    const code = codes[slot]!;
    if (code === 0) return 0;
    const number = numbers.get(code) ?? numbers.size + 1;
    numbers.set(code, number);
    return number;
  });
  const copied = copyTexts(texts, numbers.keys());
  const offsets = new Uint32Array(copied.offsets.length + 1);
  offsets.set(copied.offsets, 1);
  return { texts: { bytes: copied.bytes, offsets }, codes: renumbered };
}
