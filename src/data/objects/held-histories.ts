import { areUnixSeconds } from '../../features/event-log.js';
import { EventStore } from '../../features/event-store.js';
import { joinHistories, splitHistories, type HistoryTensors } from '../../features/stored-histories.js';
import type { StoredEvents } from '../../features/stored-events.js';
import { textReader } from '../../features/vocabulary/string-pool.js';
import type { ContinuedState, ServedState } from '../../io/saved-state.js';
import type { HistoryOptions } from '../sequence-options.js';
import { eventFinder, type EventSources, type FindEvents } from './event-source.js';
import type { FoundHistories, HistoryQueries } from './given-histories.js';

/**
 * Events of the logs of a full checkpoint, and of the deltas after it, which are added in order. Rows of requests find
 * theirs, and change nothing.
 */
export class HeldHistories implements ContinuedState, ServedState<HistoryQueries, FoundHistories> {
  /** Logs for rows of this thread; none without options. */
  readonly sources: EventSources;
  /** Absent once events are searched or added, so that a checkpoint without deltas is not copied. */
  #stored: { readonly full: HistoryTensors; readonly logs: ReadonlyMap<string, StoredEvents> } | undefined;
  #stores: ReadonlyMap<string, EventStore> = new Map();

  /**
   * @param options by log, for rows of requests; default: there are none
   * @throws UserError (checkpoint) if the tensors are invalid
   */
  constructor(full: HistoryTensors, options?: Readonly<Record<string, HistoryOptions>>) {
    const logs = splitHistories(full);
    this.#stored = { full, logs };
    this.sources = new Map(
      Array.from(options === undefined ? [] : this.#open(), ([name, store]) => {
        const { key, until } = options![name]!;
        const isClocked = areUnixSeconds(logs.get(name)!.times);
        return [name, { key, until, isClocked, find: storeFinder(name, store) }];
      }),
    );
  }

  /** Logs for rows of other threads. Plain data. */
  get remoteSources(): EventSources {
    return new Map(Array.from(this.sources, ([name, { key, until, isClocked }]) => [name, { key, until, isClocked }]));
  }

  /** Finds the events of rows of another thread. */
  find(queries: HistoryQueries): FoundHistories {
    return new Map(Array.from(queries, ([name, query]) => [name, this.sources.get(name)!.find!(query)]));
  }

  prepare(changes: HistoryTensors): () => void {
    const stores = this.#open();
    const appends = Array.from(splitHistories(changes), ([name, events]) => {
      const store = stores.get(name);
      if (store === undefined) throw new Error(`the checkpoint before has no '${name}'`);
      store.assertNext(events);
      return () => store.append(events);
    });
    return () => appends.forEach((append) => append());
  }

  full(): HistoryTensors {
    return this.#stored?.full ?? joinHistories(Array.from(this.#stores, ([name, store]) => [name, store.store()]));
  }

  #open(): ReadonlyMap<string, EventStore> {
    if (this.#stored === undefined) return this.#stores;
    this.#stores = new Map(Array.from(this.#stored.logs, ([name, events]) => [name, EventStore.of(name, events)]));
    this.#stored = undefined;
    return this.#stores;
  }
}

/**
 * Creates a function that finds events of a stream: of the newest ones of a key those before a time.
 * @param log name of the log in the config
 */
function storeFinder(log: string, store: EventStore): FindEvents {
  return eventFinder(
    (key, until, last) => {
      const found = store.find(key, until);
      const isKnown = found.length > 0 || store.find(key, Infinity).length > 0;
      return { events: found.subarray(Math.max(0, found.length - last)), isKnown };
    },
    (column) => valueReader(store, column.slice(log.length + 1)),
  );
}

/** Creates a function that reads the texts of a column by slot. */
function valueReader(store: EventStore, name: string): (slot: number) => string {
  const index = store.columns.findIndex((column) => column.name === name);
  if (store.columns[index]!.isNumber) return (slot) => String(store.numberAt(index, slot));
  const text = textReader(store.textsOf(index));
  return (slot) => {
    const code = store.codeAt(index, slot);
    return code === 0 ? '' : text(code - 1);
  };
}
