import { ChunkRows } from '../../chunks/chunk.js';
import { quoted, type Problem } from '../../core/errors.js';
import type { CellOptions } from '../../features/cells.js';
import { readTexts } from '../../features/computed.js';
import type { Field } from '../../features/feature.js';
import type { ModelInput } from '../../features/model-input.js';
import { momentReader, type ReadMoments } from '../../features/moment.js';
import { wallClockMs } from '../../system/clock.js';
import type { DialectOptions } from '../dialect.js';
import { planLog, type EventQuery, type EventSource, type EventSources, type FoundEvents } from './event-source.js';
import { ABSENT, columnKey, isAbsent, presentColumn, type GivenRows, type LackingRows } from './given-rows.js';
import { sliceGiven, type RankedRows } from './ranked-rows.js';

/** How columns are read. */
interface ColumnReading {
  /** Cleaning of all columns. */
  readonly cells?: CellOptions | undefined;
  /** Separator in strings; default: a dot. */
  readonly decimal?: DialectOptions['decimal'];
}

/** Events, and the columns of lists that they replace. */
interface History extends EventSource {
  readonly name: string;
  /** Columns of the rows that would list the values. */
  readonly columns: readonly string[];
  /** Maximum number of events that a sequence reads. */
  readonly last: number;
  readonly readUntil: ReadMoments;
}

/** Events that rows lack, by the name of their log. Plain data. */
export type HistoryQueries = ReadonlyMap<string, EventQuery>;
export type FoundHistories = ReadonlyMap<string, FoundEvents>;

/** The events that rows without lists need. */
interface NeededEvents {
  readonly query: EventQuery;
  /** Index in the query of each row, -1 for a row without events. */
  readonly indices: Int32Array;
  /** Whether a row has lists, which are read in place of events. */
  readonly areGiven: readonly boolean[];
  /** Reasons for which the events of a row are unknown. */
  readonly problems: ReadonlyMap<number, Omit<Problem, 'where'>>;
}

/** Adds the items that rows of a program lack: the events of their key before their time. */
export class GivenHistories {
  readonly #histories: readonly History[];
  readonly #reading: ColumnReading;

  /** @param fields of a model, which read the items as lists */
  constructor(fields: readonly Field[], sources: EventSources, reading: ColumnReading) {
    this.#reading = reading;
    this.#histories = [...sources].map(([name, source]): History => {
      const { columns, last } = planLog(name, fields);
      const readUntil = momentReader(source.until, reading.cells ?? {});
      return { ...source, name, columns: [...columns.keys()], last, readUntil };
    });
  }

  /** Returns the columns that a model reads, and the key and the time of each log; rows may lack those it replaces. */
  listInputs(inputs: readonly ModelInput[]): readonly ModelInput[] {
    const optional = new Set(
      this.#histories.flatMap(({ until, columns, isClocked }) => [...columns, ...(isClocked ? [until] : [])]),
    );
    const names = new Set(inputs.map(({ name }) => name));
    const added = new Set(this.#histories.flatMap(({ key, until }) => [key, until]).filter((name) => !names.has(name)));
    return [
      ...inputs.map((input): ModelInput => (optional.has(input.name) ? { ...input, isOptional: true } : input)),
      ...[...added].map((name): ModelInput => ({ name, holds: 'text', isOptional: true })),
    ];
  }

  /** Finds the events that rows lack and another thread has; undefined if they lack none. */
  findUnlisted(given: GivenRows): LackingRows<HistoryQueries, FoundHistories> | undefined {
    const elsewhere = this.#histories.filter(({ find }) => find === undefined);
    const needed = elsewhere.map((history) => {
      const timed = withNow(history, given);
      return { history, timed, events: findNeeded(history, timed, this.#reading) };
    });
    if (needed.every(({ events }) => !events.areGiven.includes(false))) return undefined;
    return {
      query: new Map(needed.map(({ history: { name }, events }) => [name, events.query])),
      fill: (found, rows) =>
        needed.reduce(
          (filled, { history, timed, events }) => fillRows(history, filled, timed, events, found.get(history.name)!),
          rows,
        ),
    };
  }

  /**
   * Adds the events of this thread to rows without items. A key without events has null.
   * @param isWhole whether to add all events of a row; default: those that sequences read
   */
  fill(given: GivenRows, isWhole = false): GivenRows {
    return this.#histories.reduce(
      (rows, history) => this.#fillOne(isWhole ? { ...history, last: Infinity } : history, rows),
      given,
    );
  }

  /** Adds the events of this thread to candidates; the events of the user are added once. */
  fillRanked(ranked: RankedRows): RankedRows {
    return this.#histories.reduce(({ rows, candidateColumns }, history): RankedRows => {
      const { key, until, columns } = history;
      const isOfUser = ![key, until, ...columns].some((name) => candidateColumns.has(name));
      return {
        rows: this.#fillOne(history, rows, isOfUser),
        candidateColumns: isOfUser ? candidateColumns : new Set([...candidateColumns, ...columns]),
      };
    }, ranked);
  }

  /** @param isOfUser whether all rows have the events of the first one */
  #fillOne(history: History, given: GivenRows, isOfUser = false): GivenRows {
    const { find } = history;
    if (find === undefined) return given;
    const timed = withNow(history, given);
    const searched = isOfUser ? sliceGiven(timed, 0, Math.min(1, given.count)) : timed;
    const needed = findNeeded(history, searched, this.#reading);
    return fillRows(history, timed, timed, needed, find(needed.query), isOfUser);
  }
}

/**
 * @param timed rows with a time, if `given` may lack one
 * @param isOfUser whether all rows have the events of the first one
 */
function fillRows(
  { columns, until }: History,
  given: GivenRows,
  timed: GivenRows,
  { indices, areGiven, problems }: NeededEvents,
  { offsets, areKnown, columns: found }: FoundEvents,
  isOfUser = false,
): GivenRows {
  const rowOf = (row: number): number => (isOfUser ? 0 : row);
  return {
    ...given,
    valuesOf(column) {
      const own = given.valuesOf(column);
      if (column === until) return timed.valuesOf(column);
      if (!columns.includes(column)) return own;
      const texts = found.get(column)!;
      const lists = areKnown.map((isKnown, i) => (isKnown ? texts.slice(offsets[i], offsets[i + 1]) : null));
      return (row) => {
        if (areGiven[rowOf(row)]!) return own(row);
        if (problems.has(rowOf(row))) return ABSENT;
        return lists[indices[rowOf(row)]!] ?? null;
      };
    },
    absentProblem: (row, column) =>
      (columns.includes(column) ? problems.get(rowOf(row)) : undefined) ?? given.absentProblem?.(row, column),
  };
}

/** Returns rows with the present time in place of one that they lack, if its unit is known. */
function withNow({ until, isClocked }: History, given: GivenRows): GivenRows {
  if (!isClocked) return given;
  const now = wallClockMs() / 1000;
  return {
    ...given,
    valuesOf(name) {
      const own = given.valuesOf(name);
      return name === until ? (row) => (isAbsent(own(row)) ? now : own(row)) : own;
    },
  };
}

/** Finds which events the rows without lists need. Rows with the same key and time need the same ones. */
function findNeeded(history: History, given: GivenRows, { cells = {}, decimal }: ColumnReading): NeededEvents {
  const { name, key, until, columns, last, readUntil } = history;
  const { count } = given;
  const lists = columns.map((column) => given.valuesOf(column));
  const areGiven = Array.from({ length: count }, (_, row) => lists.some((valueAt) => !isAbsent(valueAt(row))));
  const [keyAt, untilAt] = [given.valuesOf(key), given.valuesOf(until)];
  const read = new Map([key, until].map((column) => [column, presentColumn(given, column, decimal)]));
  const rows = new ChunkRows({ rows: count, numLines: count, columns: read, cellsOf: () => [] });
  const untils = readUntil(rows);
  const keys = readTexts(rows, key, cells);
  const problems = new Map<number, Omit<Problem, 'where'>>();
  for (const [row, { columns: refused = [until], error }] of rows.problems()) {
    if (areGiven[row]!) continue;
    const found = quoted(refused[0] === key ? keyAt(row) : untilAt(row));
    const fix = error.cure ?? 'correct the row';
    problems.set(row, { key: columnKey(refused), message: `expected ${error.expected}, found ${found}`, fix });
  }
  for (let row = 0; row < count; row++) {
    const missing = keyAt(row) === ABSENT ? key : isAbsent(untilAt(row)) ? until : undefined;
    if (missing !== undefined && !areGiven[row]!) problems.set(row, missingProblem(name, key, missing, columns));
  }
  const needs = (row: number): boolean => !areGiven[row]! && !problems.has(row) && keys[row] !== '';
  const known = new Map<string, number>();
  /** First row of each query. */
  const distinct: number[] = [];
  const indices = Int32Array.from({ length: count }, (_, row) => {
    if (!needs(row)) return -1;
    const text = `${untils[row]} ${keys[row]}`;
    const index = known.get(text) ?? distinct.push(row) - 1;
    known.set(text, index);
    return index;
  });
  const times = Float64Array.from(distinct, (row) => untils[row]!);
  return {
    query: { keys: distinct.map((row) => keys[row]!), untils: times, last, columns },
    indices,
    areGiven,
    problems,
  };
}

function missingProblem(name: string, key: string, column: string, lists: readonly string[]): Omit<Problem, 'where'> {
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
