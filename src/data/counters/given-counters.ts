import { quoted } from '../../core/errors.js';
import { CounterCells } from './row-counter.js';
import type { CounterPlan } from './counter-plan.js';
import type { CounterRow } from './counter-set.js';
import type { DialectOptions } from '../dialect.js';
import { ABSENT, absentProblems, columnKey, isAbsent, presentColumn } from '../objects/given-rows.js';
import type { GivenRows, LackingRows } from '../objects/given-rows.js';
import { badRowsError, type InvalidRow } from '../objects/row-problems.js';

/** Rows whose counters are computed. */
export interface CounterQuery {
  /** Milliseconds since 1970 by row; NaN for now. */
  readonly times: Float64Array;
  /** Keys of each row by group of counters; empty for a missing one. */
  readonly keys: readonly (readonly string[])[];
}

/**
 * Finds the counters that rows lack.
 * @param names counters that are read; undefined is returned if no row lacks one
 */
export function findUncounted(
  plan: CounterPlan,
  names: readonly string[],
  given: GivenRows,
  decimal: DialectOptions['decimal'],
): LackingRows<CounterQuery, readonly Float32Array[]> | undefined {
  const read = names.map((name) => given.valuesOf(name));
  const rows = Array.from({ length: given.count }, (_, row) => row);
  const isUncounted = rows.map((row) => read.some((valueAt) => isAbsent(valueAt(row))));
  if (!isUncounted.includes(true)) return undefined;
  const cells = readCells(plan, given, decimal);
  const timeAt = given.valuesOf(plan.time);
  /** Reasons for which the counters of a row are unknown. */
  const unknown = new Map<number, string>();
  const times = new Float64Array(given.count).fill(NaN);
  const keys = rows.map((row) => {
    if (!isUncounted[row]) return plan.groups.map(() => '');
    if (!isAbsent(timeAt(row))) times[row] = cells.time(row) ?? NaN;
    if (!isAbsent(timeAt(row)) && Number.isNaN(times[row])) unknown.set(row, 'the time of the row is invalid');
    return [...cells.keys(row)];
  });
  return {
    query: { times, keys },
    fill: (values, known) => ({
      ...known,
      valuesOf(column) {
        const own = known.valuesOf(column);
        const counter = plan.names.indexOf(column);
        if (counter < 0) return own;
        const keyColumns = plan.specs[counter]!.by.map((name) => [name, given.valuesOf(name)] as const);
        return (row) => {
          const value = own(row);
          if (!isAbsent(value)) return value;
          const absentKey = keyColumns.find(([, valueAt]) => valueAt(row) === ABSENT);
          if (absentKey !== undefined) return `unknown, since the row has no ${absentKey[0]}`;
          const reason = unknown.get(row);
          if (reason !== undefined) return `unknown, since ${reason}`;
          const counted = values[counter]![row]!;
          return Number.isNaN(counted) ? 'unknown, since the row is earlier than the data of the run' : counted;
        };
      },
    }),
  };
}

/**
 * Reads rows as events; the time of a row is NaN if it is invalid.
 * @param counters numbers of the counters that the events are added to
 * @throws UserError (data) for rows without the column of the time or of a key, and for invalid labels
 */
export function readEvents(
  plan: CounterPlan,
  counters: readonly number[],
  given: GivenRows,
  decimal: DialectOptions['decimal'],
): readonly CounterRow[] {
  const cells = readCells(plan, given, decimal);
  const required = new Set([plan.time, ...counters.flatMap((i) => plan.specs[i]!.by)]);
  const summed = new Set(counters.flatMap((i) => plan.specs[i]!.of ?? []));
  const columns = [...required].map((name) => [name, given.valuesOf(name)] as const);
  const bad: InvalidRow[] = [];
  const rows = Array.from({ length: given.count }, (_, row): CounterRow => {
    const absent = columns.flatMap(([name, valueAt]) => (valueAt(row) === ABSENT ? [name] : []));
    const problems = [...absentProblems(given.placeOf(row), absent, given.namesOf(row), required)];
    const labels = cells.labels(row, (label, { expected, cure = 'correct the row' }) => {
      if (!summed.has(label)) return;
      const found = quoted(given.valuesOf(label)(row));
      const message = `expected ${expected}, found ${found}`;
      problems.push({ where: given.placeOf(row), key: columnKey([label]), message, fix: cure });
    });
    if (problems.length > 0) bad.push({ row, source: 'input', problems });
    return { time: cells.time(row) ?? NaN, keys: [...cells.keys(row)], labels: labels.slice() };
  });
  if (bad.length > 0) throw badRowsError(bad);
  return rows;
}

/** Reads the columns of counters as the columns of a file are read. */
function readCells(plan: CounterPlan, given: GivenRows, decimal: DialectOptions['decimal']): CounterCells {
  const columns = plan.columns.map((name) => [name, presentColumn(given, name, decimal)] as const);
  return new CounterCells(plan, { columns: new Map(columns) });
}
