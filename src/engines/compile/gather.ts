import type { Value } from '../../graph/operations.js';
import { cutColumns, shift, WORD, type View } from './buffers.js';
import type { CallList } from './call-list.js';
import type { TablePlace, TablePlaces } from './tables.js';

// Sums the gradients of looked-up values over each distinct row of a table. One worker takes a table and does all of
// it, or all workers share it: they find the rows of the ids, one numbers them, and all add gradients.

/** Forgets the rows of tables that workers share, if a step begins; a barrier must precede their next use. */
export function lowerClearRows(tables: TablePlaces, list: CallList): void {
  for (const { gathered, sharedFrom } of listShared(tables)) {
    const { hash, distinct, count: countAt } = gathered;
    list.emit('clearRows', { hash, distinct, countAt, fresh: tables.fresh, sharedFrom });
  }
}

/** Finds the rows of tables that workers share; a barrier must precede their numbering. */
export function lowerFindRows(tables: TablePlaces, list: CallList): void {
  for (const table of listShared(tables)) {
    const { gathered, sharedFrom, lookups } = table;
    const { hash, distinct, count: countAt } = gathered;
    for (const [i, lookup] of lookups.entries()) {
      const [ids, rowNumbers] = [tables.ids(table, lookup), table.rowNumbers[i]!];
      list.emit('findRows', { ids, rowNumbers, hash, distinct, countAt, sharedFrom });
    }
  }
}

/** Sums gradients into an area of the row gradients. Only the first area starts from zero. */
export function lowerGather(
  tables: TablePlaces,
  gradient: (value: Value) => View,
  area: number,
  areas: number,
  list: CallList,
): void {
  const shared = listShared(tables);
  // The rows of all areas are the same.
  const numbered = area === 0 ? shared : [];
  for (const table of numbered) lowerNumbering(tables, table, list);
  for (const table of inOrder(tables)) lowerTableGather(tables, table, gradient, area, areas, list);
  if (numbered.length > 0) list.separate();
  for (const table of shared) lowerSharedGather(table, gradient, area, areas, list);
}

/** Workers take tables as they become free, large ones first. */
const inOrder = ({ gathered }: TablePlaces): readonly TablePlace[] => [...gathered].sort((a, b) => b.rows - a.rows);

const listShared = (tables: TablePlaces): readonly TablePlace[] =>
  inOrder(tables).filter(({ sharedFrom }) => sharedFrom > 0);

/** Numbers the found rows of a table, by the worker that takes it. */
function lowerNumbering(tables: TablePlaces, table: TablePlace, list: CallList): void {
  const { claim, gathered, sharedFrom, lookups } = table;
  const { hash, distinct, count: countAt } = gathered;
  const shared = { claim, hash, distinct, countAt, fresh: tables.fresh, sharedFrom };
  for (const [i, lookup] of lookups.entries()) {
    const [ids, rowNumbers] = [tables.ids(table, lookup), table.rowNumbers[i]!];
    list.emit('numberRows', { ...shared, ids, rowNumbers, isFirstField: i === 0 ? 1 : 0 });
  }
}

/** Adds the gradients of a table to its numbered rows, by all workers. */
function lowerSharedGather(
  { width, gathered: { gradients, areaWords }, sharedFrom, lookups, rowNumbers }: TablePlace,
  gradient: (value: Value) => View,
  area: number,
  areas: number,
  list: CallList,
): void {
  for (const [i, { value, begin }] of lookups.entries())
    list.emit('addGradients', {
      rowNumbers: rowNumbers[i]!,
      d: cutColumns(gradient(value), begin, width),
      width,
      gradients: shift(gradients, area * areaWords),
      areas: area === 0 ? areas : 0,
      areaBytes: areaWords * WORD,
      sharedFrom,
    });
}

/** Sums the gradients of a table by the worker that takes it. */
function lowerTableGather(
  tables: TablePlaces,
  table: TablePlace,
  gradient: (value: Value) => View,
  area: number,
  areas: number,
  list: CallList,
): void {
  const { claim, width, gathered, sharedFrom } = table;
  const { hash, distinct, gradients, areaWords, count } = gathered;
  const shared = {
    claim,
    width,
    hash,
    distinct,
    areaBytes: areaWords * WORD,
    gradients: shift(gradients, area * areaWords),
    areas: area === 0 ? areas : 1,
    countAt: count,
    fresh: area === 0 ? tables.fresh : shift(tables.fresh, 1),
  };
  for (const [i, lookup] of table.lookups.entries()) {
    const { field, value, begin } = lookup;
    const from = { ...shared, d: cutColumns(gradient(value), begin, width), isFirstField: i === 0 ? 1 : 0 };
    if (lookup.kind !== 'pooled') list.emit('gatherGradients', { ids: tables.ids(table, lookup), ...from, sharedFrom });
    else {
      const { offsets } = tables.itemsOf(field);
      list.emit('gatherBagGradients', { bag: tables.bag(table, field), offsets, ...from });
    }
  }
}
