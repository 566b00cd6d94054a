import { hashTensors } from '../io/hash-tensors.js';
import { textTensors, type StringPool } from './vocabulary/string-pool.js';
import type { TextTable } from './vocabulary/text-table.js';

/** A column of an event log that a field reads. */
export interface LogColumn {
  readonly column: string;
  /** Key of the format of its lists, if the file has a row per user. */
  readonly form: string;
  /** How its values are read. */
  readonly values: 'text' | 'number' | 'time';
}

/** Values of a column by event: numbers, or texts of which each distinct one is stored once; index 0 is missing. */
export type EventValues =
  { readonly numbers: Float64Array } | { readonly texts: StringPool; readonly codes: Uint32Array };

/** Events by user, each user's from the oldest to the newest. Plain data in shared memory. */
export interface SortedEvents {
  readonly users: TextTable;
  /** First event of each user by its id; user 0, who is not in the log, has none. The last element is the end. */
  readonly firsts: Uint32Array;
  /** Time of each event. */
  readonly times: Float64Array;
  /** One entry per `valuesName`. */
  readonly columns: ReadonlyMap<string, EventValues>;
  /** SHA-256 of the users and events. */
  readonly digest: string;
}

/** Events, and how rows find theirs. */
export interface EventLog extends SortedEvents {
  /** Columns of the rows: the user, and the time before which the user's events are read. */
  readonly key: string;
  readonly until: string;
}

/** Event logs by their name in the config. */
export type EventLogs = ReadonlyMap<string, EventLog>;

/** The items of a field that an event log has. */
export interface LoggedItems {
  /** Name of the log in the config. */
  readonly name: string;
  readonly log: EventLog;
  readonly column: LogColumn;
  /** Whether items are the time from the event to the row. */
  readonly isAge: boolean;
  /** Maximum number of events per row. */
  readonly last: number;
}

/** Returns the name of a column's values in a log. */
export function valuesName({ column, values, form }: LogColumn): string {
  return JSON.stringify([values, column, form]);
}

/** Computes the digest of events. */
export function hashEvents({ users, firsts, times, columns }: Omit<SortedEvents, 'digest'>): string {
  const tensors = new Map(textTensors(users, 'users'));
  const add = (name: string, data: Uint32Array): void => {
    tensors.set(name, { shape: [data.length], data });
  };
  add('firsts', firsts);
  add('times', new Uint32Array(times.buffer, times.byteOffset, 2 * times.length));
  for (const [name, values] of columns) {
    if ('numbers' in values) {
      const { buffer, byteOffset, length } = values.numbers;
      add(`numbers ${name}`, new Uint32Array(buffer, byteOffset, 2 * length));
      continue;
    }
    add(`codes ${name}`, values.codes);
    for (const [tensor, data] of textTensors(values.texts, `texts ${name}`)) tensors.set(tensor, data);
  }
  return hashTensors(tensors);
}

/** Unix times of 1973 and 5138; milliseconds are larger. */
const [MIN_SECONDS, MAX_SECONDS] = [1e8, 1e11];

/** Returns whether times are Unix seconds, as the times of dates are, by their size. */
export function areUnixSeconds(times: Float64Array): boolean {
  return times.length > 0 && times.every((time) => time >= MIN_SECONDS && time < MAX_SECONDS);
}
