import { BATCH } from '../../graph/domain.js';
import { columnsOf, shift, WORD, type Ref, type View } from './buffers.js';
import type { CallList } from './call-list.js';
import type { TablePlace, TablePlaces } from './tables.js';

/** The gradients of looked-up inputs: of the concatenated features, and of items by field. */
export interface InputGradients {
  readonly features: View | undefined;
  readonly items: ReadonlyMap<string, View>;
}

/** Ids of a table with their gradients. */
interface IdGradients {
  readonly ids: Ref;
  readonly d: View;
  readonly rowNumbers: Ref;
}

/** Forgets the rows of tables that workers share, if a step begins; a barrier must precede their next use. */
export function lowerClearRows(tables: TablePlaces, list: CallList): void {
  for (const { gathered, sharedFrom } of tables.all) {
    const { hash, distinct, count: countAt } = gathered;
    if (sharedFrom > 0) list.emit('clearRows', { hash, distinct, countAt, fresh: tables.fresh, sharedFrom });
  }
}

/** Finds the rows of tables that workers share; a barrier must precede their numbering. */
export function lowerFindRows(tables: TablePlaces, inputs: InputGradients, list: CallList): void {
  for (const table of tables.all.filter(({ sharedFrom }) => sharedFrom > 0)) {
    const { gathered, sharedFrom } = table;
    const { hash, distinct, count: countAt } = gathered;
    for (const { ids, rowNumbers } of idGradients(tables, table, inputs))
      list.emit('findRows', { ids, rowNumbers, hash, distinct, countAt, sharedFrom });
  }
}

/**
 * Sums the gradients of inputs over each distinct row, by table, into an area of the gradients. Only the first area
 * starts from zero.
 */
export function lowerGather(
  tables: TablePlaces,
  inputs: InputGradients,
  area: number,
  areas: number,
  list: CallList,
): void {
  // Workers take tables as they become free, large ones first.
  const all = [...tables.all].sort((a, b) => b.rows - a.rows);
  const shared = all.filter(({ sharedFrom }) => sharedFrom > 0);
  // The rows of all areas are the same.
  const numbered = area === 0 ? shared : [];
  for (const table of numbered) lowerNumbering(tables, table, idGradients(tables, table, inputs), list);
  for (const table of all) lowerTableGather(tables, table, inputs, area, areas, list);
  if (numbered.length > 0) list.separate();
  for (const table of shared) {
    const { width, gathered, sharedFrom } = table;
    const { gradients, areaWords } = gathered;
    for (const { d, rowNumbers } of idGradients(tables, table, inputs))
      list.emit('addGradients', {
        rowNumbers,
        d,
        width,
        gradients: shift(gradients, area * areaWords),
        areas: area === 0 ? areas : 0,
        areaBytes: areaWords * WORD,
        sharedFrom,
      });
  }
}

/** Lists the gradients of the ids of a table that workers share. */
function idGradients(
  tables: TablePlaces,
  table: TablePlace,
  { features, items: itemGradients }: InputGradients,
): readonly IdGradients[] {
  const { fields, sequences, rowNumbers } = table;
  return [
    ...fields.flatMap(({ field, offset, width }, i) =>
      features === undefined
        ? []
        : [{ ids: tables.ids(table, field), d: columnsOf(features, offset, width), rowNumbers: rowNumbers[i]! }],
    ),
    ...sequences.flatMap(({ field }, i) => {
      const d = itemGradients.get(field);
      const { ids } = tables.sequence(field);
      return d === undefined ? [] : [{ ids, d, rowNumbers: rowNumbers[fields.length + i]! }];
    }),
  ];
}

function lowerNumbering(
  { fresh }: TablePlaces,
  { claim, gathered, sharedFrom }: TablePlace,
  fields: readonly IdGradients[],
  list: CallList,
): void {
  const { hash, distinct, count: countAt } = gathered;
  for (const [i, { ids, rowNumbers }] of fields.entries()) {
    const isFirstField = i === 0 ? 1 : 0;
    list.emit('numberRows', { claim, ids, rowNumbers, hash, distinct, countAt, isFirstField, fresh, sharedFrom });
  }
}

/** Sums the gradients of a table by the worker that takes it. */
function lowerTableGather(
  tables: TablePlaces,
  table: TablePlace,
  { features, items: itemGradients }: InputGradients,
  area: number,
  areas: number,
  list: CallList,
): void {
  const { hash, distinct, gradients, areaWords, count } = table.gathered;
  const shared = {
    claim: table.claim,
    width: table.width,
    hash,
    distinct,
    areaBytes: areaWords * WORD,
    gradients: shift(gradients, area * areaWords),
    areas: area === 0 ? areas : 1,
    countAt: count,
    fresh: area === 0 ? tables.fresh : shift(tables.fresh, 1),
  };
  const { sharedFrom } = table;
  let isFirstField = 1;
  for (const { kind, field, offset, width } of features === undefined ? [] : table.fields) {
    const from = { d: columnsOf(features!, offset, width), rows: BATCH, isFirstField };
    isFirstField = 0;
    if (kind === 'id') list.emit('gatherGradients', { ids: tables.ids(table, field), ...shared, ...from, sharedFrom });
    else {
      const { addresses: bag, offsets } = tables.bag(table, field);
      list.emit('gatherBagGradients', { bag, offsets, ...shared, ...from });
    }
  }
  for (const { field } of table.sequences) {
    const d = itemGradients.get(field);
    if (d === undefined) continue;
    list.emit('gatherGradients', { ids: tables.sequence(field).ids, d, ...shared, isFirstField, sharedFrom });
    isFirstField = 0;
  }
}
