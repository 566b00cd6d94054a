import { ChunkRows } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { UserError, type Problem } from '../../core/errors.js';
import { createCleaner, type CellOptions } from '../../features/cells.js';
import { readTexts } from '../../features/computed.js';
import { EventLogBuilder } from '../../features/event-log-builder.js';
import { valuesName, type EventLog, type LogColumn } from '../../features/event-log.js';
import { BadValue, type ListForm } from '../../features/feature.js';
import { listReading } from '../../features/kinds/bag.js';
import { arrayReader, itemRows } from '../../features/kinds/one-value.js';
import { logColumn, splitLogged } from '../../features/logged-items.js';
import { momentReader } from '../../features/moment.js';
import { refuseUnequal } from '../../features/sequence-items.js';
import { parseNumber, parseText } from '../../features/parse.js';
import { dialectOf } from '../dialect.js';
import { readChunks } from '../pipeline.js';
import type { RowSource } from '../readers/cell-file.js';
import { openRows } from '../readers/open-rows.js';
import { badRowError } from '../rows/rejects.js';
import { rowFormatOf, type RowFormat } from '../rows/row-format.js';
import { invalidRows } from '../rows/row-reader.js';
import type { SequencesOptions } from '../sequence-options.js';
import { findFiles } from './find-files.js';

/** A column that fields read, and how they read it. */
interface Use {
  readonly log: string;
  readonly column: LogColumn;
  readonly form: ListForm;
  readonly cells: CellOptions;
  /** @throws InvalidValueError for an item that the field cannot read */
  readonly check: (text: string) => void;
}

/**
 * Reads the event logs that the fields of a format use; returns the format with them.
 * @throws UserError (data) with the problems of all logs
 */
export async function withEventLogs(format: RowFormat, options: SequencesOptions = {}): Promise<RowFormat> {
  const uses = listUses(format, Object.keys(options));
  if (uses.length === 0) return format;
  const logs = new Map<string, EventLog>();
  const problems: Problem[] = [];
  for (const name of new Set(uses.map(({ log }) => log))) {
    const own = new Map(uses.filter(({ log }) => log === name).map((use) => [valuesName(use.column), use]));
    try {
      logs.set(name, await readLog(name, options[name]!, own, format.spec.cells ?? {}));
    } catch (error) {
      if (!(error instanceof UserError) || error.kind === 'disk') throw error;
      problems.push(...error.problems.map((problem) => ({ key: `data.sequences.${name}`, ...problem })));
    }
  }
  if (problems.length > 0) throw new UserError('data', problems);
  return rowFormatOf({ ...format.spec, logs });
}

function listUses({ fields }: RowFormat, logs: readonly string[]): readonly Use[] {
  return fields.flatMap(({ computed, cells = {}, startFit, encoder }): readonly Use[] => {
    const list = computed?.itemLists?.columns[computed.listIndex!];
    const [log] = splitLogged(list?.name ?? '', logs) ?? [];
    if (list === undefined || log === undefined) return [];
    const column = logColumn(list, log, cells);
    const check = column.values === 'text' ? (startFit()?.check ?? encoder(undefined).encode) : () => undefined;
    const checkItem = (text: string): void => {
      if (text !== '') check(text);
    };
    return [{ log, column, form: list.form, cells, check: checkItem }];
  });
}

/** The events of a chunk as rows of one value per column. */
interface ChunkEvents {
  readonly events: ChunkRows;
  /** Row of the file of each event; undefined if each row is an event. */
  readonly rowOf: Uint32Array | undefined;
}

async function readLog(
  name: string,
  { file, key, time, until, per, ...dialect }: SequencesOptions[string],
  uses: ReadonlyMap<string, Use>,
  cells: CellOptions,
): Promise<EventLog> {
  const wanted = [...new Set([key, time, ...[...uses.values()].map(({ column }) => column.column)])];
  const sources: RowSource[] = [];
  for (const { path } of findFiles(file)) sources.push(await openRows(path, wanted, dialectOf(dialect)));
  const all = [...uses.values()];
  const builder = new EventLogBuilder(
    name,
    all.map(({ column }) => column),
  );
  const readTimes = momentReader(TIME, per === 'user' ? {} : cells);
  const readers = new Map([...uses].map(([values, use]) => [values, valueReader(values, use, per)]));
  for await (const { chunk, file: index, line } of readChunks(sources)) {
    const rows = new ChunkRows(chunk);
    const check = (): void => {
      const [bad] = invalidRows(rows, chunk, sources[index]!.columns, line);
      if (bad !== undefined) throw badRowError(bad, bad.cure ?? 'correct the row');
    };
    if (per === 'event') refuseLists(rows, wanted);
    const keys = readTexts(rows, key, cells);
    rows.eachKept([key], (row) => {
      if (keys[row] === '') throw new BadValue('a key', 'remove the row, or add its key');
    });
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
    for (let event = 0; event < events.count; event++)
      builder.add(keys[rowOf?.[event] ?? event]!, times[event]!, (own) => values.get(own)![event]!);
  }
  return builder.finish({ key, until });
}

/** Name of the column of times among the events of a chunk; others have the names of their values. */
const TIME = 'time';

/** Creates a function that reads the values of events, valid until the next call. */
function valueReader(
  name: string,
  { column: { values }, cells, check }: Use,
  per: SequencesOptions[string]['per'],
): (events: ChunkRows) => readonly string[] | Float64Array {
  // Items of lists are already clean.
  const own = per === 'user' ? {} : cells;
  if (values === 'time') return momentReader(name, own);
  if (values === 'number') {
    const clean = createCleaner(own) ?? ((text: string) => text);
    const encode = (text: string): number => parseNumber(clean(text));
    return arrayReader([name], { encode, numberColumns: [name] }, Float64Array);
  }
  return (events) => {
    const texts = readTexts(events, name, own);
    events.eachKept([name], (event) => check(parseText(texts[event]!)));
    return texts;
  };
}

/** Returns the rows of a chunk as events. */
function asEvents(rows: ChunkRows, time: string, uses: ReadonlyMap<string, Use>): ChunkEvents {
  const columns = new Map([...uses].map(([values, { column }]) => [values, rows.column(column.column)]));
  return { events: new ChunkRows({ ...rows.chunk, columns: columns.set(TIME, rows.column(time)) }), rowOf: undefined };
}

/** Returns the items of the lists of a chunk as events. Rows whose lists have different lengths are refused. */
function splitLists(
  rows: ChunkRows,
  time: { readonly column: string; readonly form: ListForm; readonly cells: CellOptions },
  uses: ReadonlyMap<string, Use>,
): ChunkEvents {
  const form = { ...time.form, areNumbers: true };
  const times = listReading(time.column, form, time.cells).read(rows);
  const numEvents = times.offsets[rows.count]!;
  const rowOf = new Uint32Array(numEvents);
  for (let row = 0; row < rows.count; row++) rowOf.fill(row, times.offsets[row], times.offsets[row + 1]);
  const columns = new Map<string, Column>([[TIME, times.items]]);
  for (const [values, { column, form: own, cells }] of uses) {
    const lists = listReading(column.column, own, cells).read(rows);
    refuseUnequal(rows, { name: time.column, lists: times }, { name: column.column, lists });
    columns.set(values, lists.items);
  }
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
