import { ChunkRows } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { quoted, userError, type Problem } from '../../core/errors.js';
import type { CellOptions } from '../../features/cells.js';
import { areUnixSeconds, type EventLog, type EventLogs, type LogColumn } from '../../features/event-log.js';
import type { Field } from '../../features/feature.js';
import { logColumn, splitLogged } from '../../features/logged-items.js';
import type { ModelInput } from '../../features/model-input.js';
import { eventColumn, eventFinder, type RowEvents } from '../../features/row-events.js';
import { wallClockMs } from '../../system/clock.js';
import type { DialectOptions } from '../dialect.js';
import { ABSENT, columnKey, isAbsent, presentColumn, type GivenRows } from './given-rows.js';
import { sliceGiven, type RankedRows } from './ranked-rows.js';

/** How columns are read. */
interface ColumnReading {
  /** Cleaning of all columns. */
  readonly cells?: CellOptions | undefined;
  /** Separator in strings; default: a dot. */
  readonly decimal?: DialectOptions['decimal'];
}

/** An event log, and the columns of lists that it has. */
interface History {
  readonly name: string;
  readonly log: EventLog;
  /** Values of all events, by the column of the rows that would list them. */
  readonly columns: ReadonlyMap<string, Column>;
  /** Maximum number of events that a sequence reads. */
  readonly last: number;
  /** Whether rows without a time are as of now, since the unit of the times is known. */
  readonly isClocked: boolean;
  readonly find: (rows: ChunkRows) => RowEvents;
}

/** The events of rows in a log. */
interface FoundEvents extends Pick<RowEvents, 'users' | 'lengths'> {
  /** Whether a row has lists, which are read in their place. */
  readonly areGiven: readonly boolean[];
  /** Reasons for which the events of a row are unknown. */
  readonly problems: ReadonlyMap<number, Omit<Problem, 'where'>>;
}

/** Event logs with the items that rows of a program lack: the events of their key before their time. */
export class GivenHistories {
  readonly #histories: readonly History[];
  readonly #decimal: DialectOptions['decimal'];

  /**
   * @param fields of a model, which read the items as lists
   * @throws UserError (usage) for a column whose texts several fields clean in different ways
   */
  constructor(fields: readonly Field[], logs: EventLogs, { cells, decimal }: ColumnReading) {
    this.#decimal = decimal;
    this.#histories = [...logs].map(([name, log]) => createHistory(name, log, fields, cells ?? {}));
  }

  /** Returns the columns that a model reads, and the key and the time of each log; rows may lack those it replaces. */
  listInputs(inputs: readonly ModelInput[]): readonly ModelInput[] {
    const optional = new Set(
      this.#histories.flatMap(({ log, columns, isClocked }) => [...columns.keys(), ...(isClocked ? [log.until] : [])]),
    );
    const names = new Set(inputs.map(({ name }) => name));
    const added = new Set(
      this.#histories.flatMap(({ log }) => [log.key, log.until]).filter((name) => !names.has(name)),
    );
    return [
      ...inputs.map((input): ModelInput => (optional.has(input.name) ? { ...input, optional: true } : input)),
      ...[...added].map((name): ModelInput => ({ name, holds: 'text', optional: true })),
    ];
  }

  /**
   * Adds the items of logs to rows without any. A key without events has null.
   * @param isWhole whether to add all events of a row; default: those that sequences read
   */
  fill(given: GivenRows, isWhole = false): GivenRows {
    const fillOne = (rows: GivenRows, history: History): GivenRows =>
      fillRows(isWhole ? { ...history, last: Infinity } : history, rows, this.#decimal);
    return this.#histories.reduce(fillOne, given);
  }

  /** Adds the items of logs to candidates; those of the user once. */
  fillRanked(ranked: RankedRows): RankedRows {
    return this.#histories.reduce(({ rows, candidateColumns }, history): RankedRows => {
      const lists = [...history.columns.keys()];
      const isOfUser = ![history.log.key, history.log.until, ...lists].some((name) => candidateColumns.has(name));
      return {
        rows: fillRows(history, rows, this.#decimal, isOfUser),
        candidateColumns: isOfUser ? candidateColumns : new Set([...candidateColumns, ...lists]),
      };
    }, ranked);
  }
}

/** @param isOfUser whether all rows have the events of the first one */
function fillRows(history: History, given: GivenRows, decimal: DialectOptions['decimal'], isOfUser = false): GivenRows {
  const { log, columns, last, isClocked } = history;
  const timed = isClocked ? withDefault(given, log.until, wallClockMs() / 1000) : given;
  const searched = isOfUser ? sliceGiven(timed, 0, Math.min(1, given.count)) : timed;
  const { areGiven, users, lengths, problems } = findEvents(history, searched, decimal);
  const indexOf = (row: number): number => (isOfUser ? 0 : row);
  const listOf = (index: number, values: Column): readonly string[] | null => {
    const first = log.firsts[users[index]!]!;
    const end = first + lengths[index]!;
    const begin = Math.max(first, end - last);
    return users[index] === 0 ? null : Array.from({ length: end - begin }, (_, i) => values.text(begin + i));
  };
  return {
    ...timed,
    valuesOf(column) {
      const own = timed.valuesOf(column);
      const values = columns.get(column);
      if (values === undefined) return own;
      return (row) => {
        const index = indexOf(row);
        if (areGiven[index]!) return own(row);
        return problems.has(index) ? ABSENT : listOf(index, values);
      };
    },
    absentProblem: (row, column) =>
      (columns.has(column) ? problems.get(indexOf(row)) : undefined) ?? given.absentProblem?.(row, column),
  };
}

function createHistory(name: string, log: EventLog, fields: readonly Field[], cells: CellOptions): History {
  const columns = new Map<string, { readonly own: LogColumn; readonly cleaning: string }>();
  let last = 0;
  for (const { computed, cells: ownCells } of fields) {
    const { itemLists, listIndex } = computed ?? {};
    const list = itemLists?.columns[listIndex!];
    if (list === undefined || splitLogged(list.name, [name]) === undefined) continue;
    last = Math.max(last, itemLists!.last!);
    const own = logColumn(list, name, ownCells);
    const cleaning = JSON.stringify(ownCells ?? {});
    const known = columns.get(list.name);
    const isText = own.values === 'text';
    if (isText && known?.own.values === 'text' && known.cleaning !== cleaning) throw refuseCleaning(list.name);
    // Fields that read numbers read them from texts, too.
    if (known === undefined || isText) columns.set(list.name, { own, cleaning });
  }
  return {
    name,
    log,
    columns: new Map([...columns].map(([column, { own }]) => [column, eventColumn(log, own)])),
    last,
    isClocked: areUnixSeconds(log.times),
    find: eventFinder(log, cells),
  };
}

function refuseCleaning(column: string): Error {
  return userError('usage', {
    where: 'histories',
    key: columnKey([column]),
    message: 'is read by features with different nullValues or trim',
    fix: 'train with the same ones for all of them, or send the items of events with each row',
  });
}

/** Returns rows with a value for a column that they lack. */
function withDefault(given: GivenRows, column: string, value: number): GivenRows {
  return {
    ...given,
    valuesOf(name) {
      const own = given.valuesOf(name);
      return name === column ? (row) => (isAbsent(own(row)) ? value : own(row)) : own;
    },
  };
}

/** Finds the events of rows that have none of the lists. */
function findEvents(
  { name, log, columns, find }: History,
  given: GivenRows,
  decimal: DialectOptions['decimal'],
): FoundEvents {
  const { count } = given;
  const lists = [...columns.keys()].map((column) => given.valuesOf(column));
  const areGiven = Array.from({ length: count }, (_, row) => lists.some((valueAt) => !isAbsent(valueAt(row))));
  const [keyAt, untilAt] = [given.valuesOf(log.key), given.valuesOf(log.until)];
  const read = new Map([log.key, log.until].map((column) => [column, presentColumn(given, column, decimal)]));
  const rows = new ChunkRows({ rows: count, numLines: count, columns: read, cellsOf: () => [] });
  const { users, lengths } = find(rows);
  const problems = new Map<number, Omit<Problem, 'where'>>();
  for (const [row, { columns: refused = [log.until], error }] of rows.problems()) {
    if (areGiven[row]!) continue;
    const found = quoted(refused[0] === log.key ? keyAt(row) : untilAt(row));
    const fix = error.cure ?? 'correct the row';
    problems.set(row, { key: columnKey(refused), message: `expected ${error.expected}, found ${found}`, fix });
  }
  for (let row = 0; row < count; row++) {
    const missing = keyAt(row) === ABSENT ? log.key : isAbsent(untilAt(row)) ? log.until : undefined;
    if (missing !== undefined && !areGiven[row]!)
      problems.set(row, missingProblem(name, log, missing, [...columns.keys()]));
  }
  return { areGiven, users, lengths, problems };
}

function missingProblem(
  name: string,
  { key }: EventLog,
  column: string,
  lists: readonly string[],
): Omit<Problem, 'where'> {
  const use =
    column === key
      ? `whose events in '${name}' are its history`
      : `in the unit of the times of '${name}', which are neither dates nor Unix seconds`;
  return {
    key: columnKey([column]),
    message: 'is missing',
    fix: `add it, ${use}; or add ${lists.map(quoted).join(', ')} as lists`,
  };
}
