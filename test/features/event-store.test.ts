import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { EventStore } from '../../src/features/event-store.js';
import { eventsOfTensors, eventTensors, type StoredEvents } from '../../src/features/stored-events.js';

interface Event {
  readonly user: string;
  readonly record: number;
  readonly time: number;
  readonly item: string;
  readonly price: number;
}

const LAST = 3;
const COLUMNS = [
  { name: 'price', isNumber: true },
  { name: 'item', isNumber: false },
];
const createStore = (): EventStore => new EventStore('clicks', { columns: COLUMNS, last: LAST });

/** Events in the order of records, of which some have none and some several; times are not in order. */
function randomEvents(seed: number, numRecords: number, numUsers: number): readonly Event[] {
  const random = randomStream(seed, 'events');
  return Array.from({ length: numRecords }, (_, record) =>
    Array.from({ length: random.below(3) }, () => ({
      user: `user ${random.below(numUsers)} é`,
      record: record + 1,
      time: record + random.below(5) - 2,
      item: random.below(10) === 0 ? '' : `item ${random.below(50)}`,
      price: random.uniform(),
    })),
  ).flat();
}

function add(store: EventStore, { user, record, time, item, price }: Event): void {
  // In order of the names.
  store.add(user, record, time, [item, price]);
}

/** The definition: of the events of a user with the newest time and LAST before these, the newest before a time. */
function expected(events: readonly Event[], user: string, record: number, until: number): readonly object[] {
  const read = events.filter((each) => each.user === user && each.record <= record);
  const others = read.findLastIndex(({ time }) => time !== read.at(-1)!.time) + 1;
  return read
    .slice(Math.max(0, others - LAST))
    .filter(({ time }) => time < until)
    .slice(-LAST)
    .map(({ time, item, price }) => ({ time, item, price }));
}

function find(store: EventStore, user: string, record: number, until: number): readonly object[] {
  const { bytes, offsets } = store.textsOf(0);
  const textAt = (code: number): string =>
    code === 0 ? '' : Buffer.from(bytes.subarray(offsets[code - 1], offsets[code])).toString();
  return [...store.find(user, until, record)].map((slot) => ({
    time: store.timeAt(slot),
    item: textAt(store.codeAt(0, slot)),
    price: store.numberAt(1, slot),
  }));
}

/** Passes events through the tensors of a file. */
const stored = (events: StoredEvents): StoredEvents => eventsOfTensors(eventTensors(events));

const plain = (store: EventStore): unknown => {
  store.mark();
  return eventTensors(store.store());
};

describe('a store of events', () => {
  it('finds the events of a user with a long name', () => {
    const store = createStore();
    const event = { user: 'u'.repeat(300), record: 1, time: 1, item: 'a', price: 2 };
    add(store, event);
    expect(find(store, event.user, 1, 9)).toEqual(expected([event], event.user, 1, 9));
  });

  it.each([1, 2, 3])('finds the events of each record by their definition (seed %i)', (seed) => {
    const events = randomEvents(seed, 2000, 40);
    const store = createStore();
    const random = randomStream(seed, 'rows');
    let next = 0;
    let position = 0;
    for (let record = 0; record < 2000; record++) {
      for (; next < events.length && events[next]!.record <= record; next++) add(store, events[next]!);
      store.endAt(record);
      if (random.below(20) === 0) store.moveTo((position += random.below(record - position + 1)));
      // The record itself, and one that is read again.
      for (const row of [record, position + random.below(record - position + 1)]) {
        const [user, until] = [`user ${random.below(41)} é`, row + random.below(5) - 2];
        expect([row, find(store, user, row, until)]).toEqual([row, expected(events, user, row, until)]);
      }
    }
    expect(store.end).toBe(1999);
  });

  it('uses the memory of events again that no row sees', () => {
    const store = createStore();
    const sizes = [0, 50_000].map((first) => {
      for (let i = first; i < first + 50_000; i++) {
        store.add(`u${i % 100}`, i + 1, i, [`i${i % 7}`, i]);
        store.moveTo(i);
      }
      return store.bytes;
    });
    expect(sizes[0]).toBeLessThan(300_000);
    expect(sizes[1]).toBe(sizes[0]);
    expect([...store.find('u7', Infinity)].map((slot) => store.timeAt(slot))).toEqual([99_707, 99_807, 99_907]);
  });

  it.each([1, 2, 3])('continues from a full checkpoint and deltas (seed %i)', (seed) => {
    const events = randomEvents(seed, 1500, 30);
    const [whole, random] = [createStore(), randomStream(seed, 'saves')];
    let restored: EventStore | undefined;
    let next = 0;
    let position = 0;
    for (let record = 0; record < 1500; record++) {
      for (; next < events.length && events[next]!.record <= record + 1; next++) add(whole, events[next]!);
      whole.endAt(record + 1);
      if (record % 10 === 0) whole.moveTo((position += random.below(record + 1 - position)));
      if (random.below(30) > 0) continue;
      whole.mark();
      const isFull = restored === undefined || random.below(4) === 0;
      const written = stored(isFull ? whole.store() : whole.changes());
      // An event that is added while the checkpoint is written is in the next one.
      const late = { user: 'late', record: record + 2, time: record, item: 'late', price: 1 };
      const other = randomStream(seed, 'late', String(record)).below(2) === 0;
      if (other) add(whole, late);
      whole.markSaved();
      if (isFull) restored = EventStore.of('clicks', written);
      else restored!.append(written);
      expect([restored!.end, restored!.position]).toEqual([record + 1, position]);
      for (const user of ['user 3 é', 'user 7 é', 'nobody'])
        for (const row of [position, record])
          expect(find(restored!, user, row, row)).toEqual(expected(events, user, row, row));
    }
    // The last save has all events.
    whole.mark();
    restored!.append(stored(whole.changes()));
    expect(plain(restored!)).toEqual(plain(whole));
  });

  it('stores only new events in a delta', () => {
    const store = createStore();
    for (let i = 0; i < 1000; i++) store.add(`u${i}`, i + 1, i, ['i', 0]);
    store.mark();
    store.markSaved();
    store.add('u5', 1001, 1000, ['new', 1]);
    store.mark();
    const { place, lengths, times } = store.changes();
    expect([place.first, place.count, [...lengths], [...times]]).toEqual([1000, 1001, [1], [1000]]);
  });

  it('rejects a delta that follows other events, and damaged tensors', () => {
    const store = createStore();
    add(store, { user: 'u', record: 1, time: 1, item: 'i', price: 1 });
    store.mark();
    const full = store.store();
    const other = EventStore.of('clicks', full);
    expect(() => other.append(full)).toThrow(
      'expected the events after number 1 for 3 items, found those after 0 for 3',
    );
    const tensors = eventTensors(full);
    const load = (changed: typeof tensors): void => createStore().append(eventsOfTensors(changed));
    expect(() => load(tensors)).not.toThrow();
    for (const name of tensors.keys()) {
      expect(() => load(new Map([...tensors].filter(([own]) => own !== name))), name).toThrow();
      const longer = new Map(tensors);
      const { data } = tensors.get(name)!;
      longer.set(name, {
        shape: [data.length + 1],
        data: new (data.constructor as typeof Uint32Array)(data.length + 1),
      });
      expect(() => load(longer), name).toThrow();
    }
  });
});
