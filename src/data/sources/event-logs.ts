import { ChunkRows } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import type { CellOptions } from '../../features/cells.js';
import { readTexts } from '../../features/computed.js';
import { EventLogBuilder } from '../../features/event-log-builder.js';
import { valuesName, type EventLog, type EventValues, type SortedEvents } from '../../features/event-log.js';
import { BadValue, type ListForm } from '../../features/feature.js';
import { listReading } from '../../features/kinds/bag.js';
import { itemRows } from '../../features/kinds/one-value.js';
import { eventValueReader, joinUses, listLogUses, type LogUse } from '../../features/log-uses.js';
import { momentReader } from '../../features/moment.js';
import { refuseUnequal } from '../../features/sequence-items.js';
import type { StoredEvents } from '../../features/stored-events.js';
import { textReader } from '../../features/vocabulary/string-pool.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import { recipe } from '../cache/cache.js';
import type { DataOptions } from '../options.js';
import { readChunks } from '../pipeline.js';
import { createRowFormat, type RowFormat } from '../rows/row-format.js';
import { refuseInvalid, withConstants } from '../rows/row-reader.js';
import { fileLogs, rowHistories, type HistoryOptions } from '../sequence-options.js';
import { cachedEvents } from './cached-events.js';
import { reportShare } from './cell-part.js';
import { CellParts } from './cell-parts.js';
import { rowsOfFile, rowsOfSets, type EventRows } from './event-rows.js';
import { withLookups } from './lookups.js';
import { openAll } from './open-all.js';
import type { Access } from './source.js';

/** Version of the stored events. */
const LAYOUT = 1;

/**
 * Reads the side tables and event logs that the fields of a format use; returns the format with them.
 * @param data section of a config; event logs may be rows of its sets
 * @param access has the cache of sorted events; default: none
 * @throws UserError (data) with the problems of all tables, or of all logs
 */
export async function withTables(
  format: RowFormat,
  data: Partial<DataOptions> = {},
  access?: Access,
): Promise<RowFormat> {
  return withEventLogs(await withLookups(format, data.lookups), data, access);
}

/**
 * Reads the event logs that the fields of a format use; returns the format with them.
 * @param data section of a config: its `sequences`, and the rows that are events
 * @param access reads sorted events from its cache, if it has one
 * @param streamed events of the checkpoint of a stream, by log, in place of files
 * @throws UserError (data) with the problems of all logs
 */
export async function withEventLogs(
  format: RowFormat,
  data: Partial<DataOptions> = {},
  access: Access = {},
  streamed: ReadonlyMap<string, StoredEvents> = new Map(),
): Promise<RowFormat> {
  const { cells = {} } = format.spec;
  const [ofFiles, ofRows] = [fileLogs(data.sequences), rowHistories(data.sequences)];
  const uses = listLogUses(format.fields, Object.keys(data.sequences ?? {}));
  if (uses.length === 0) return format;
  const open = async (name: string): Promise<EventLog> => {
    const own = usesByValues(uses.filter(({ log }) => log === name));
    const [file, stored] = [ofFiles[name], streamed.get(name)];
    if (file !== undefined) return openLog({ name, rows: rowsOfFile(file), uses: own, cells }, access);
    // A config has either a file or rows.
    const history = ofRows[name]!;
    if (stored !== undefined) return streamedLog(name, history, own, stored);
    return openLog({ name, rows: rowsOfSets(name, history, data, cells), uses: own, cells }, access);
  };
  const names = new Set(uses.map(({ log }) => log));
  const logs = await openAll(names, open, (problem, name) => ({ key: `data.sequences.${name}`, ...problem }));
  return createRowFormat({ ...format.spec, logs });
}

/** Returns the columns of a log that fields read, by the names of their values. */
function usesByValues(uses: readonly LogUse[]): ReadonlyMap<string, LogUse> {
  const joined = new Map<string, LogUse>();
  for (const use of uses) {
    const name = valuesName(use.column);
    joined.set(name, joinUses(joined.get(name), use));
  }
  return joined;
}

/**
 * Returns the events of a stream as a log: of each user the newest ones, of which rows see those before their time.
 * @param uses by the names of the values
 * @throws Error if the events lack a column
 */
function streamedLog(
  name: string,
  { key, until }: HistoryOptions,
  uses: ReadonlyMap<string, LogUse>,
  { place, users, lengths, times, columns: stored }: StoredEvents,
): EventLog {
  const columns = [...uses.values()].map(({ column }) => column);
  const builder = new EventLogBuilder(name, columns);
  const readers = new Map(
    [...uses].map(([values, { column }]): [string, (event: number) => string | number] => {
      const own = stored.get(column.column);
      if (own === undefined) throw new Error(`the events of '${name}' have no column '${column.column}'`);
      if ('numbers' in own) return [values, (event) => own.numbers[event]!];
      const text = textReader(own.texts);
      return [values, (event) => (own.codes[event] === 0 ? '' : text(own.codes[event]!))];
    }),
  );
  const userAt = textReader(users);
  let end = 0;
  for (const [user, length] of lengths.entries()) {
    end += length;
    for (let event = end - Math.min(length, place.last); event < end; event++)
      builder.add(userAt(user), times[event]!, (values) => readers.get(values)!(event));
  }
  return { ...builder.finish(), key, until };
}

/** How a log is read. */
interface LogReading {
  readonly name: string;
  readonly rows: EventRows;
  readonly uses: ReadonlyMap<string, LogUse>;
  /** Cleaning of all columns. */
  readonly cells: CellOptions;
}

async function openLog(reading: LogReading, access: Access): Promise<EventLog> {
  const { rows, uses, cells } = reading;
  const { key, time, until, per, files, dialect, selection } = rows;
  const read = [key, time, ...[...uses.values()].map(({ column }) => column.column), ...rows.columns];
  const parts = await CellParts.open(files, { columns: [...new Set(read)], dialect });
  const events = await cachedEvents(
    parts,
    {
      recipe: recipe('events', [LAYOUT, { key, time, per, cells, ...selection }, [...uses.keys()], ...parts.recipe]),
      read: () => sortEvents(reading, parts, access),
      isValid: ({ columns: stored }) => [...uses].every(([values, { check }]) => areValid(stored.get(values)!, check)),
    },
    access,
  );
  return { ...events, key, until };
}

/** Returns whether a check accepts all texts. */
function areValid(values: EventValues, check: LogUse['check']): boolean {
  if ('numbers' in values) return true;
  const text = textReader(values.texts);
  try {
    for (let place = 0; place < values.texts.offsets.length - 1; place++) check(text(place));
    return true;
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return false;
  }
}

/** Reads the events of files, and sorts them. */
async function sortEvents(
  { name, rows: selected, uses, cells }: LogReading,
  { whole: { files } }: CellParts,
  access: Access,
): Promise<SortedEvents> {
  const { key, time, per } = selected;
  const sources = files.map(({ rows }) => rows);
  const all = [...uses.values()];
  const builder = new EventLogBuilder(
    name,
    all.map(({ column }) => column),
  );
  const readTimes = momentReader(TIME, per === 'user' ? {} : cells);
  const readers = new Map(
    // Items of lists are already clean.
    [...uses].map(([values, use]) => [values, eventValueReader(values, use, per === 'user' ? {} : use.cells)]),
  );
  let skipped = 0;
  const onShare = (share: number): void => reportShare(access, `reading events of ${selected.path}`, share);
  for await (const { chunk, columns: file, line } of readChunks(sources, onShare)) {
    const rows = new ChunkRows(withConstants(chunk, file));
    const check = (): void => (selected.isSkipping ? undefined : refuseInvalid(rows, chunk, file, line));
    selected.exclude(rows, line);
    if (per === 'event') refuseLists(rows, [key, time, ...all.map(({ column }) => column.column)]);
    const keys = readTexts(rows, key, cells);
    selected.checkKeys(rows, keys);
    const timeUse = { column: time, form: all[0]!.form, cells };
    const { events, rowOf } = per === 'user' ? splitLists(rows, timeUse, uses) : asEvents(rows, time, uses);
    check();
    const times = readTimes(events);
    const values = new Map([...readers].map(([own, read]) => [own, read(events)]));
    for (const [event, { columns, error }] of events.problems()) {
      const column = columns?.[0] === TIME ? time : uses.get(columns?.[0] ?? '')?.column.column;
      rows.refuse(rowOf?.[event] ?? event, [column ?? time], error);
    }
    check();
    for (let event = 0; event < events.count; event++) {
      const row = rowOf?.[event] ?? event;
      if (rows.isKept(row)) builder.add(keys[row]!, times[event]!, (own) => values.get(own)![event]!);
    }
    skipped += rows.problems().length;
  }
  if (skipped > 0)
    access.cache?.onWarning?.(`${selected.path}: ${skipped} invalid rows are not events of data.sequences.${name}`);
  return builder.finish();
}

/** Name of the column of times among the events of a chunk; others have the names of their values. */
const TIME = 'time';

/** The events of a chunk as rows of one value per column. */
interface ChunkEvents {
  readonly events: ChunkRows;
  /** Row of the file of each event; undefined if each row is an event. */
  readonly rowOf: Uint32Array | undefined;
}

/** Returns the rows of a chunk as events. */
function asEvents(rows: ChunkRows, time: string, uses: ReadonlyMap<string, LogUse>): ChunkEvents {
  const columns = new Map([...uses].map(([values, { column }]) => [values, rows.column(column.column)]));
  return { events: new ChunkRows({ ...rows.chunk, columns: columns.set(TIME, rows.column(time)) }), rowOf: undefined };
}

/** Returns the items of the lists of a chunk as events. Rows whose lists have different lengths are refused. */
function splitLists(
  rows: ChunkRows,
  time: { readonly column: string; readonly form: ListForm; readonly cells: CellOptions },
  uses: ReadonlyMap<string, LogUse>,
): ChunkEvents {
  const form = { ...time.form, areNumbers: true };
  const times = listReading(time.column, form, time.cells).read(rows);
  const numEvents = times.offsets[rows.count]!;
  const rowOf = new Uint32Array(numEvents);
  for (let row = 0; row < rows.count; row++) rowOf.fill(row, times.offsets[row], times.offsets[row + 1]);
  const columns = new Map<string, Column>([[TIME, times.items]]);
  const read = [{ name: time.column, lists: times }];
  for (const [values, { column, form: own, cells }] of uses) {
    const lists = listReading(column.column, own, cells).read(rows);
    read.push({ name: column.column, lists });
    columns.set(values, lists.items);
  }
  refuseUnequal(rows, read);
  return { events: new ChunkRows({ ...itemRows(times, rows.count).chunk, columns }), rowOf };
}

const ONE_EVENT = new BadValue(
  'one value, since each row is an event',
  'set per: user if each row has the lists of a user, or correct the row',
);

/** Refuses rows with lists. */
function refuseLists(rows: ChunkRows, names: readonly string[]): void {
  for (const name of names) {
    const { lists, listAt } = rows.column(name);
    if (lists === undefined && listAt === undefined) continue;
    rows.eachKept([name], (row) => {
      if (lists !== undefined || listAt!(row) !== undefined) throw ONE_EVENT;
    });
  }
}
