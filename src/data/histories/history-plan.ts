import { isDeepStrictEqual } from 'node:util';
import { userError } from '../../core/errors.js';
import type { CellOptions } from '../../features/cells.js';
import type { EventStoreOptions } from '../../features/event-store.js';
import { joinUses, listLogUses, type LogUse } from '../../features/log-uses.js';
import { joinedColumns, timeColumn, type JoinOptions } from '../join-options.js';
import type { RowFormat } from '../rows/row-format.js';
import { rowHistories, type HistoryOptions, type SequencesOptions } from '../sequence-options.js';

/** Events that are rows of the data, and the columns of them that fields read. */
export interface HistoryPlan extends EventStoreOptions, HistoryOptions {
  readonly name: string;
  /** By the name of a column, in the order of the names. */
  readonly uses: ReadonlyMap<string, LogUse>;
  /** Cleaning of the columns of users and times. */
  readonly cells: CellOptions;
}

/**
 * Plans the histories that the fields of a format read, whose events are rows of the data.
 * @param join of the rows; default: none
 * @throws UserError (config) for a column that fields read in different ways, or that a join does not know in time
 */
export function planHistories(
  { fields, spec }: RowFormat,
  options: SequencesOptions = {},
  join?: JoinOptions,
): readonly HistoryPlan[] {
  return Object.entries(rowHistories(options)).flatMap(([name, own]): readonly HistoryPlan[] => {
    const all = listLogUses(fields, [name]);
    if (all.length === 0) return [];
    const uses = new Map<string, LogUse>();
    for (const use of all.toSorted((a, b) => (a.column.column < b.column.column ? -1 : 1))) {
      const known = uses.get(use.column.column);
      if (known !== undefined && !isReadAlike(known, use)) throw refuseReading(name, use);
      uses.set(use.column.column, joinUses(known, use));
    }
    if (join !== undefined) checkKnown(name, own, [...uses.keys()], join);
    const columns = Array.from(uses, ([column, use]) => ({ name: column, isNumber: use.column.values !== 'text' }));
    const last = Math.max(...all.map((use) => use.last ?? 1));
    return [{ ...own, name, uses, cells: spec.cells ?? {}, columns, last }];
  });
}

/** Name of the column of the rows with the items of a column of events. */
export function itemColumn({ name }: Pick<HistoryPlan, 'name'>, column: string): string {
  return `${name}.${column}`;
}

/** Returns the columns of the rows with the items of histories. */
export function itemColumns(plans: readonly HistoryPlan[]): readonly string[] {
  return plans.flatMap((plan) => plan.columns.map(({ name }) => itemColumn(plan, name)));
}

/** Returns the columns of the data that histories read. */
export function historyColumns(plans: readonly HistoryPlan[]): readonly string[] {
  return [...new Set(plans.flatMap(({ key, of, time, until, uses }) => [key, of, time, until, ...uses.keys()]))];
}

function isReadAlike(a: LogUse, b: LogUse): boolean {
  return a.column.values === b.column.values && isDeepStrictEqual(a.cells, b.cells);
}

function refuseReading(log: string, { column: { column } }: LogUse): Error {
  return userError('config', {
    key: `data.sequences.${log}`,
    message: `has the column ${column}, which features read as different kinds, or clean by different rules`,
    fix: 'read it as ids, as numbers or as times in all sequences, with the same nullValues and trim',
  });
}

/** @throws UserError (config) for a column that a join does not know when an event is read */
function checkKnown(
  name: string,
  { key, of, time, until }: HistoryOptions,
  used: readonly string[],
  join: JoinOptions,
): void {
  const own = Object.hasOwn(join.events, of) ? [timeColumn(of)] : [];
  const later = [key, until, time, ...used].find((each) => joinedColumns(join).includes(each) && !own.includes(each));
  if (later === undefined) return;
  throw userError('config', {
    key: `data.sequences.${name}`,
    message: `reads ${later}, which is not known when the event is read`,
    fix: 'use columns of data.train, and the time of the event',
  });
}
