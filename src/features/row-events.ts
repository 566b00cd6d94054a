import type { ChunkRows } from '../chunks/chunk.js';
import type { Column } from '../chunks/column.js';
import type { CellOptions } from './cells.js';
import { numberColumn, readTexts } from './computed.js';
import { valuesName, type EventLog, type LogColumn } from './event-log.js';
import { momentReader } from './moment.js';
import { textReader } from './vocabulary/string-pool.js';
import { createTextFinder } from './vocabulary/utf8.js';

/** The events of rows: the user's id, the number of the user's events before the row, and the time of the row. */
export interface RowEvents {
  readonly users: Uint32Array;
  readonly lengths: Uint32Array;
  readonly times: Float64Array;
}

/** The newest events of rows: where the events of each row begin, and the index of each in the log. */
export interface NewestEvents {
  readonly offsets: Uint32Array;
  readonly items: Uint32Array;
}

/** Creates a function that finds the events of rows. Rows without a valid time are refused. */
export function eventFinder(
  { key, until, users, firsts, times }: EventLog,
  cells: CellOptions,
): (rows: ChunkRows) => RowEvents {
  const readUntil = momentReader(until, cells);
  const findUser = createTextFinder(users);
  return (rows) => {
    const found = {
      users: new Uint32Array(rows.count),
      lengths: new Uint32Array(rows.count),
      times: readUntil(rows).slice(0, rows.count),
    };
    const keys = readTexts(rows, key, cells);
    for (let row = 0; row < rows.count; row++) {
      if (!rows.isKept(row) || keys[row] === '') continue;
      const user = findUser(keys[row]!);
      found.users[row] = user;
      found.lengths[row] = countBefore(times, firsts[user]!, firsts[user + 1]!, found.times[row]!);
    }
    return found;
  };
}

/** Returns the number of the times `begin` to `end`, which are sorted, that are before a time. */
export function countBefore(times: Float64Array, begin: number, end: number, until: number): number {
  let [low, high] = [begin, end];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (times[middle]! < until) low = middle + 1;
    else high = middle;
  }
  return low - begin;
}

/** Returns the newest events of rows, at most `last` per row, from the oldest to the newest. */
export function newestEvents(
  { firsts }: Pick<EventLog, 'firsts'>,
  { users, lengths }: Pick<RowEvents, 'users' | 'lengths'>,
  numRows: number,
  last: number,
): NewestEvents {
  const offsets = new Uint32Array(numRows + 1);
  for (let row = 0; row < numRows; row++) offsets[row + 1] = offsets[row]! + Math.min(last, lengths[row]!);
  const items = new Uint32Array(offsets[numRows]!);
  for (let row = 0; row < numRows; row++) {
    const count = offsets[row + 1]! - offsets[row]!;
    const begin = firsts[users[row]!]! + lengths[row]! - count;
    for (let i = 0; i < count; i++) items[offsets[row]! + i] = begin + i;
  }
  return { offsets, items };
}

/** Returns the values of all events as a column. */
export function eventColumn({ columns }: Pick<EventLog, 'columns'>, column: LogColumn): Column {
  const values = columns.get(valuesName(column))!;
  if ('numbers' in values) return numberColumn(values.numbers);
  const { texts, codes } = values;
  const text = textReader(texts);
  const dictionary = { indices: codes, values: { size: texts.offsets.length - 1, text } };
  return { type: 'string', text: (event) => text(codes[event]!), dictionary };
}
