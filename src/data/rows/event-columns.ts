import { ChunkRows } from '../../chunks/chunk.js';
import type { Lists } from '../../chunks/column.js';
import { createRowBlock, reserveRows, type BlockColumn } from '../../chunks/row-block.js';
import { column, withColumns, type BagColumn, type Batch } from '../../core/batch.js';
import type { CellOptions } from '../../features/cells.js';
import { listColumn } from '../../features/computed.js';
import type { EventLog, LoggedItems } from '../../features/event-log.js';
import type { EncodedField, Field } from '../../features/feature.js';
import { gatherAges } from '../../features/gather-items.js';
import type { ReadColumns } from '../../features/kinds/kind.js';
import { fieldColumn, listFieldReader } from '../../features/kinds/kinds.js';
import { eventColumn, eventFinder, newestEvents, type NewestEvents } from '../../features/row-events.js';

// Rows store no items of event logs, but the user, the number of the user's events before the row, and the time of the
// row. Batches have the items, which are encoded once per event, or are ages, which depend on the row.

/** Returns the names of the stored columns of a log. */
function storedNames(log: string): { readonly user: string; readonly length: string; readonly time: string } {
  return { user: `log.${log}.user`, length: `log.${log}.length`, time: `log.${log}.time` };
}

/** Lists the event logs that fields read, by name. */
function listLogs(fields: readonly Field[]): ReadonlyMap<string, EventLog> {
  return new Map(fields.flatMap(({ logged }) => (logged === undefined ? [] : [[logged.name, logged.log] as const])));
}

/** Returns the storage of the events of rows. */
export function eventStorage(fields: readonly Field[]): readonly BlockColumn[] {
  return [...listLogs(fields).keys()].map(storedNames).flatMap(({ user, length, time }): readonly BlockColumn[] => [
    { name: user, kind: 'id' },
    { name: length, kind: 'id' },
    { name: time, kind: 'double' },
  ]);
}

/** Returns the exclusive upper bounds of the stored users and numbers of events, by column. */
export function eventSizes(fields: readonly Field[]): ReadonlyMap<string, number> {
  return new Map(
    [...listLogs(fields)].flatMap(([name, { firsts, times }]) => {
      const { user, length } = storedNames(name);
      return [
        [user, firsts.length - 1],
        [length, times.length + 1],
      ] as const;
    }),
  );
}

/** Returns the number of rows whose user has no event in a log, by log; from the counts of out-of-vocabulary ids. */
export function absentUsers(
  fields: readonly Field[],
  counts: ReadonlyMap<string, { readonly unknown: number }>,
): ReadonlyMap<string, number> {
  return new Map([...listLogs(fields).keys()].map((log) => [log, counts.get(storedNames(log).user)?.unknown ?? 0]));
}

/**
 * Creates the readers of the events of rows.
 * @param cells cleaning of all columns
 */
export function eventReaders(fields: readonly Field[], cells: CellOptions = {}): readonly ReadColumns[] {
  return [...listLogs(fields)].map(([name, log]): ReadColumns => {
    const find = eventFinder(log, cells);
    const { user, length, time } = storedNames(name);
    return (rows, block) => {
      const found = find(rows);
      column(block, user, 'u32').data.set(found.users, block.rows);
      column(block, length, 'u32').data.set(found.lengths, block.rows);
      column(block, time, 'f64').data.set(found.times, block.rows);
    };
  });
}

/** Returns the number of events of each row of a batch before `keep` limits them. */
export function eventCounts(batch: Batch, { name }: LoggedItems): Uint32Array {
  return column(batch, storedNames(name).length, 'u32').data;
}

/** Adds the items of event logs to a batch, valid until the next call. */
export type AddItems = (batch: Batch) => Batch;

/** Creates a function that adds the items; undefined if no field reads an event log. */
export function itemAdder(fields: readonly EncodedField[]): AddItems | undefined {
  const readers = fields.flatMap((field) => {
    const { name, logged } = field;
    return logged === undefined ? [] : [{ name, logged, read: itemsReader(field, logged) }];
  });
  if (readers.length === 0) return undefined;
  return (batch) => {
    // Fields of a sequence read the same events.
    const found = new Map<string, NewestEvents>();
    const bags = readers.map(({ name, logged, read }): [string, BagColumn] => {
      const key = JSON.stringify([logged.name, logged.last]);
      const events = found.get(key) ?? findEvents(batch, logged);
      found.set(key, events);
      return [name, read(batch, events)];
    });
    return withColumns(batch, bags);
  };
}

function itemsReader(field: EncodedField, logged: LoggedItems): (batch: Batch, events: NewestEvents) => BagColumn {
  const { log, isAge, column: items } = logged;
  if (!isAge) return (_, events) => gatherBag(encodedEvents(field, logged), events);
  const encode = listEncoder(field);
  const { time } = storedNames(logged.name);
  const times = eventColumn(log, items).numbers!.values as Float64Array;
  return (batch, events) => encode(gatherAges({ items: times, rows: column(batch, time, 'f64').data }, events));
}

function findEvents(batch: Batch, { name, log, last }: LoggedItems): NewestEvents {
  const { user, length } = storedNames(name);
  const rowEvents = { users: column(batch, user, 'u32').data, lengths: column(batch, length, 'u32').data };
  return newestEvents(log, rowEvents, batch.rows, last);
}

function gatherBag({ ids, weights }: BagColumn, { offsets, items }: NewestEvents): BagColumn {
  const gathered = {
    type: 'list',
    offsets,
    ids: new Uint32Array(items.length),
    weights: new Float32Array(items.length),
  } as const;
  for (let i = 0; i < items.length; i++) {
    gathered.ids[i] = ids[items[i]!]!;
    gathered.weights[i] = weights[items[i]!]!;
  }
  return gathered;
}

const encoded = new WeakMap<EncodedField, BagColumn>();

/** Returns all events as encoded by a field, which encodes them once. */
function encodedEvents(field: EncodedField, { log, column: items }: LoggedItems): BagColumn {
  const offsets = Uint32Array.of(0, log.times.length);
  const found = encoded.get(field) ?? listEncoder(field)({ offsets, items: eventColumn(log, items) });
  encoded.set(field, found);
  return found;
}

/** Creates a function that encodes lists as the kind of a field does, valid until the next call. */
function listEncoder(field: EncodedField): (lists: Lists) => BagColumn {
  const storage = [fieldColumn(field)];
  const read = listFieldReader(field);
  const block = createRowBlock(storage, 0);
  return (lists) => {
    const rows = lists.offsets.length - 1;
    block.rows = 0;
    reserveRows(block, storage, rows);
    const columns = new Map([[field.name, listColumn(lists)]]);
    const all = new ChunkRows({ rows, numLines: rows, columns, cellsOf: () => [] });
    read(all, block);
    const [problem] = all.problems();
    // The events were checked when they were read.
    if (problem !== undefined) throw problem[1].error;
    return column(block, field.name, 'list');
  };
}
