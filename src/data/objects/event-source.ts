import { userError } from '../../core/errors.js';
import { areUnixSeconds, type EventLog, type LogColumn } from '../../features/event-log.js';
import type { Field } from '../../features/feature.js';
import { logColumn, splitLogged } from '../../features/logged-items.js';
import { countBefore, eventColumn } from '../../features/row-events.js';
import { createTextFinder } from '../../features/vocabulary/utf8.js';
import { columnKey } from './given-rows.js';

/** Keys whose events are read, each before a time. Plain data. */
export interface EventQuery {
  readonly keys: readonly string[];
  /** Ends of the ranges, exclusive. */
  readonly untils: Float64Array;
  /** Maximum number of events per key: the newest. */
  readonly last: number;
  /** Columns of the rows that would list the values. */
  readonly columns: readonly string[];
}

/** Events of the keys of a query, each key's from the oldest to the newest. Plain data. */
export interface FoundEvents {
  /** Where the events of each key begin; the last element is the end. */
  readonly offsets: Uint32Array;
  /** Whether each key has events, at any time. */
  readonly areKnown: readonly boolean[];
  /** Texts of the values of all events, by column. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
}

export type FindEvents = (query: EventQuery) => FoundEvents;

/** Events by key and time, and how rows find theirs. */
export interface EventSource {
  /** Columns of the rows: the key, and the time before which the events are read. */
  readonly key: string;
  readonly until: string;
  /** Whether rows without a time are as of now, since the unit of the times is known. */
  readonly isClocked: boolean;
  /** Undefined if another thread has the events. */
  readonly find?: FindEvents | undefined;
}

/** Event sources by the name of their log in the config. */
export type EventSources = ReadonlyMap<string, EventSource>;

/** What fields read of an event log. */
export interface ReadLog {
  /** Columns of the log, by the column of the rows that would list their values. */
  readonly columns: ReadonlyMap<string, LogColumn>;
  /** Maximum number of events that a sequence reads. */
  readonly last: number;
}

/** Lists what the fields of a model, which read the items as lists, read of an event log. */
export function planLog(name: string, fields: readonly Field[]): ReadLog {
  const columns = new Map<string, LogColumn>();
  let last = 0;
  for (const { computed, cells } of fields) {
    if (computed?.items === undefined) continue;
    const { column, lists } = computed.items;
    if (splitLogged(column.name, [name]) === undefined) continue;
    last = Math.max(last, lists.last!);
    const own = logColumn(column, name, cells);
    // Fields that read numbers read them from texts, too.
    if (!columns.has(column.name) || own.values === 'text') columns.set(column.name, own);
  }
  return { columns, last };
}

/**
 * Returns the source of an event log of files.
 * @throws UserError (usage) for a column whose texts several fields clean in different ways
 */
export function logSource(name: string, log: EventLog, fields: readonly Field[]): EventSource {
  refuseCleanings(name, fields);
  const { firsts, times, users, key, until } = log;
  const read = new Map([...planLog(name, fields).columns].map(([column, own]) => [column, eventColumn(log, own)]));
  const findUser = createTextFinder(users);
  const eventsOf = (text: string, time: number, last: number): KeyEvents => {
    const user = findUser(text);
    const first = firsts[user]!;
    const end = first + countBefore(times, first, firsts[user + 1]!, time);
    const begin = Math.max(first, end - last);
    return { events: Uint32Array.from({ length: end - begin }, (_, i) => begin + i), isKnown: user > 0 };
  };
  const find = eventFinder(eventsOf, (column) => {
    const values = read.get(column)!;
    return (event) => values.text(event);
  });
  return { key, until, isClocked: areUnixSeconds(times), find };
}

/** Events of a key. */
export interface KeyEvents {
  /** Numbers of the newest events before a time, from the oldest to the newest. */
  readonly events: Uint32Array;
  /** Whether the key has events, at any time. */
  readonly isKnown: boolean;
}

/**
 * Creates a function that finds events.
 * @param eventsOf returns at most the `last` newest events of a key before a time, valid until the next call
 * @param textOf returns a function from the number of an event to its text in a column
 */
export function eventFinder(
  eventsOf: (key: string, until: number, last: number) => KeyEvents,
  textOf: (column: string) => (event: number) => string,
): FindEvents {
  return ({ keys, untils, last, columns }) => {
    const offsets = new Uint32Array(keys.length + 1);
    const all: number[] = [];
    const areKnown = keys.map((key, i) => {
      const { events, isKnown } = eventsOf(key, untils[i]!, last);
      for (const event of events) all.push(event);
      offsets[i + 1] = all.length;
      return isKnown;
    });
    return { offsets, areKnown, columns: new Map(columns.map((column) => [column, all.map(textOf(column))])) };
  };
}

/** Refuses different cleanings: texts of a log are stored once, and clean. */
function refuseCleanings(name: string, fields: readonly Field[]): void {
  const known = new Map<string, string>();
  for (const field of fields)
    for (const [column, { values }] of planLog(name, [field]).columns) {
      if (values !== 'text') continue;
      const cleaning = JSON.stringify(field.cells ?? {});
      if ((known.get(column) ?? cleaning) !== cleaning)
        throw userError('usage', {
          where: 'histories',
          key: columnKey([column]),
          message: 'is read by features with different nullValues or trim',
          fix: 'train with the same ones for all of them, or send the items of events with each row',
        });
      known.set(column, cleaning);
    }
}
