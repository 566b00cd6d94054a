import type { EventStore } from '../../features/event-store.js';
import { splitHistories } from '../../features/stored-histories.js';
import { textReader } from '../../features/vocabulary/string-pool.js';
import { eventFinder, type EventSource, type EventSources, type FindEvents } from './event-source.js';
import type { FoundHistories, HistoryQueries } from './given-histories.js';
import type { ServedState, StateTensors } from '../../io/saved-state.js';

/** Events of a stream in a checkpoint, and how rows find theirs. */
export interface StreamLog extends Omit<EventSource, 'find'> {
  readonly store: EventStore;
}

/**
 * Events of a trained model, by log, from the events of its checkpoint. They change with the events of deltas alone.
 */
export class LiveEvents implements ServedState<HistoryQueries, FoundHistories> {
  readonly #logs: ReadonlyMap<string, StreamLog>;
  /** For rows of this thread. */
  readonly sources: EventSources;

  constructor(logs: ReadonlyMap<string, StreamLog>) {
    this.#logs = logs;
    this.sources = new Map(
      Array.from(logs, ([name, { key, until, isClocked, store }]) => [
        name,
        { key, until, isClocked, find: storeFinder(name, store) },
      ]),
    );
  }

  /** For rows of other threads. Plain data. */
  get remoteSources(): EventSources {
    return new Map(Array.from(this.sources, ([name, { key, until, isClocked }]) => [name, { key, until, isClocked }]));
  }

  /** Finds the events of rows of another thread. */
  find(queries: HistoryQueries): FoundHistories {
    return new Map(Array.from(queries, ([name, query]) => [name, this.sources.get(name)!.find!(query)]));
  }

  prepare(changes: StateTensors): () => void {
    const appends = Array.from(splitHistories(changes), ([name, events]) => {
      const log = this.#logs.get(name);
      if (log === undefined) throw new Error(`the checkpoint before has no '${name}'`);
      log.store.assertNext(events);
      return () => log.store.append(events);
    });
    return () => appends.forEach((append) => append());
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
