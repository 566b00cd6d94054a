import type { CellOptions } from './cells.js';
import { computeOnce, listColumn, type Compute } from './computed.js';
import type { EventLog, EventLogs, LogColumn } from './event-log.js';
import type { Computed, Field, ItemColumn, ItemLists } from './feature.js';
import { gatherAges, gatherLists } from './gather-items.js';
import { itemOutputs } from './sequence-items.js';
import { eventColumn, eventFinder, newestEvents } from './row-events.js';

/** Splits the name of a column into the declared event log that has it, and its name in the log. */
export function splitLogged(name: string, logs: Iterable<string>): readonly [log: string, column: string] | undefined {
  for (const log of logs) if (name.startsWith(`${log}.`)) return [log, name.slice(log.length + 1)];
  return undefined;
}

/**
 * Returns a column of lists as an event log has it.
 * @param cells cleaning of the field
 */
export function logColumn({ name, form, until }: ItemColumn, log: string, cells: CellOptions = {}): LogColumn {
  const values = until !== undefined ? 'time' : form.areNumbers === true ? 'number' : 'text';
  return { column: name.slice(log.length + 1), form: JSON.stringify([form.items, form.format, cells]), values };
}

/**
 * Returns fields that read the items of event logs in place of columns of lists.
 * @param cells cleaning of all columns
 */
export function loggedFields(fields: readonly Field[], logs: EventLogs, cells: CellOptions): readonly Field[] {
  const computes = new Map<ItemLists, Computed['compute']>();
  return fields.map((field): Field => {
    const { computed } = field;
    if (computed?.items === undefined) return field;
    const { column, lists } = computed.items;
    const [name] = splitLogged(lists.columns[0]!.name, logs.keys()) ?? [];
    if (lists.last === undefined || name === undefined) return field;
    const log = logs.get(name)!;
    const listed = lists.columns.map((each) => logColumn(each, name, field.cells));
    const compute = computes.get(lists) ?? computeOnce(selectEvents(log, lists, listed, cells));
    computes.set(lists, compute);
    const isAge = column.until !== undefined;
    const columns = [log.key, log.until];
    const sources = columns.map((each) => ({ name: each, holds: 'text' }) as const);
    return {
      ...field,
      columns,
      computed: { ...computed, sources, compute, itemsOf: log.until },
      logged: { name, log, column: logColumn(column, name, field.cells), isAge, last: lists.last },
    };
  });
}

/**
 * Returns the computation of the newest events before the time of each row, as lists.
 * @param listed the columns of the lists in the log
 * @param cells cleaning of the rows
 */
function selectEvents(log: EventLog, lists: ItemLists, listed: readonly LogColumn[], cells: CellOptions): Compute {
  const find = eventFinder(log, cells);
  // The dictionary of a column is the same for all chunks, so that encoders look up each text once.
  const values = listed.map((each) => eventColumn(log, each));
  return (rows) => {
    const found = find(rows);
    const picked = newestEvents(log, found, rows.count, lists.last!);
    return new Map(
      lists.columns.map(({ name, until }, i) => {
        const items = values[i]!;
        const read =
          until === undefined
            ? gatherLists({ offsets: picked.offsets, items }, picked)
            : gatherAges({ items: items.numbers!.values as Float64Array, rows: found.times }, picked);
        return [itemOutputs.values(name), listColumn(read)];
      }),
    );
  };
}
