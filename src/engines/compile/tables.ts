import { countSlotElements, type Optimizer } from '../../optimizers/optimizer.js';
import { findMaxItems, type InputLayout, type TableSpec } from '../../tables/layout.js';
import { countRowWords, resolveFormat, type TableFormat } from '../../tables/row-formats.js';
import { averageWords } from '../average.js';
import { isShardedTable, localRowCount, type Sharding } from '../table-sharding.js';
import type { ProcessGroup } from '../../core/process-group.js';
import { BATCH, type Domain } from '../../graph/domain.js';
import type { Graph } from '../../graph/graph.js';
import type { Lookups } from '../../graph/lookups.js';
import type { Value } from '../../graph/operations.js';
import { cutColumns, createView, shift, type Buffers, type Ref, type View } from './buffers.js';
import type { CallList, QuantizedKernel, TableRule } from './call-list.js';
import { placeItems, POOLING_NUMBERS, takeBag, takeItemIds, type ItemsPlace } from './items.js';
import { isOfTable, listLookups, type Lookup, type TableLookup } from './lookups.js';

/** How the rows of a table are updated. */
export interface TableUpdate {
  readonly rule: TableRule;
  readonly optimizer: Optimizer;
  /** Whether rows that no batch touches stay as they are. */
  readonly isLazy: boolean;
  readonly constants: Ref;
}

/** Distinct rows of a table, and their gradients. */
export interface GatheredRows {
  readonly hash: Ref;
  readonly distinct: Ref;
  /** Gradients of the distinct rows; further areas follow `areaWords` apart. */
  readonly gradients: Ref;
  readonly areaWords: number;
  /** Three words: the number of distinct rows, an unused one, and the maximum number in this step. */
  readonly count: Ref;
  /** Maximum number of distinct rows. */
  readonly most: number;
}

/**
 * One table and what belongs to it. It has the rows of this process: some of them if it is sharded. The rows gathered
 * in a step, from all processes, are the rows that it is updated with.
 */
export interface TablePlace extends TableSpec, GatheredRows {
  readonly update: TableUpdate;
  /** Rows of all processes. */
  readonly allRows: number;
  readonly isSharded: boolean;
  /** Rows that are looked up: the table's, or those that a step fetched from their ranks. */
  readonly looked: { readonly at: Ref; readonly stride: number; readonly rows: number };
  /** Format of its rows. */
  readonly format: TableFormat;
  /** Words of a row's weights: as many as its elements in `f32`. */
  readonly rowWords: number;
  /** Rows gathered from this process's part of a batch. */
  readonly gathered: GatheredRows;
  /** What the graph looks up in it, in the order of the graph. */
  readonly lookups: readonly TableLookup[];
  /**
   * Floats from row to row: weights, optimizer state, then the average and the steps that it covers, if there is one.
   */
  readonly stride: number;
  /** Floats from a row's weights to their average, if there is one. */
  readonly average: number;
  /** Address of the first row. */
  readonly at: Ref;
  readonly claim: Ref;
  /** Number of workers from which all of them share the sums of its gradients; 0: one worker takes the table. */
  readonly sharedFrom: number;
  /** A word: the number of rows up to the last one that ever represented an id, if the table grows. */
  readonly usedRowsAt?: Ref;
  /** Row numbers of the ids of each lookup, if workers share the table. */
  readonly rowNumbers: readonly Ref[];
}

/** All that belongs to tables in a plan's memory. */
export interface TablePlaces {
  readonly all: readonly TablePlace[];
  /** Those that training updates. */
  readonly trained: readonly TablePlace[];
  /** Those whose gradients a step sums: also of sharded ones that are frozen, which all processes exchange. */
  readonly gathered: readonly TablePlace[];
  readonly byName: ReadonlyMap<string, TablePlace>;
  /** A word per table. */
  readonly claims: Ref;
  /** The items of all fields that the graph reads. */
  readonly items: readonly ItemsPlace[];
  itemsOf(field: string): ItemsPlace;
  /** What the graph looks up, in its order. */
  readonly lookups: readonly Lookup[];
  /** Two words: a 1 in the first restarts gathering in a step's first backward pass; the second is always 0. */
  readonly fresh: Ref;
  /** The ids or numbers of a field, `width` per row. */
  column(kind: 'id' | 'number', field: string, width?: number): View;
  /** The row numbers of a lookup of ids or items. */
  ids(table: TablePlace, lookup: TableLookup): Ref;
  /** The addresses of the ids and factors of a pooled lookup. */
  bag(table: TablePlace, field: string): Ref;
}

/** Sizes of the buffers of tables. */
export interface TableSizes {
  /** Maximum number of rows of a step, over all processes. */
  readonly stepRows: number;
  /** Number of separate gradients. */
  readonly areas: number;
  readonly isAveraged: boolean;
  readonly peers: ProcessGroup;
  /** Returns the spare rows of a table, which follow its own; none if its rows have a state beside their weights. */
  spareRowsOf(table: TableSpec): number;
  readonly tableFormat: TableFormat;
  /** Decides which tables are sharded. */
  readonly dealing: Sharding;
  /** Maximum rows of a pass and of a step in this process. */
  readonly ownRows: number;
  readonly ownStepRows: number;
}

/** Creates the buffers of a layout's tables and of what a graph looks up. */
export function placeTables(
  layout: InputLayout,
  graph: Pick<Graph, 'values'>,
  found: Lookups,
  buffers: Buffers,
  updateOf: (table: TableSpec) => TableUpdate,
  sizes: TableSizes,
): TablePlaces {
  const claims = buffers.take('claims', 'scratch', layout.tables.length);
  const lookups = listLookups(found, layout);
  const ofTables = lookups.filter(isOfTable);
  const numIds = countIds(ofTables, layout);
  const all = layout.tables.map((table, t) => {
    const own = ofTables.filter((each) => each.table === table.name);
    const sharedFrom = table.isFrozen === true || table.rows > MAX_SHARED_ROWS ? 0 : countSharing(own, layout, numIds);
    return placeTable(table, own, layout, buffers, updateOf(table), shift(claims, t), sharedFrom, sizes);
  });
  const byName = new Map(all.map((table) => [table.name, table]));
  const itemPlaces = placeItems(graph, found, layout, buffers, sizes.ownRows, (name) => byName.get(name)!.isSharded);
  const column: TablePlaces['column'] = (kind, field, width = 1) =>
    createView(buffers.take(`${kind} ${field}`, 'column', BATCH, width), width, width);
  return {
    all,
    trained: all.filter(({ isFrozen }) => isFrozen !== true),
    gathered: all.filter(({ isFrozen, isSharded }) => isFrozen !== true || isSharded),
    byName,
    claims,
    lookups,
    items: itemPlaces,
    itemsOf: (field) => itemPlaces.find((each) => each.field === field)!,
    fresh: buffers.take('fresh', 'settings', 1, 2),
    column,
    // Fetched rows have numbers of their own in each table.
    ids({ name, isSharded }, { kind, field, value: { rows } }) {
      if (kind === 'id')
        return isSharded ? buffers.take(`id ${field} of ${name}`, 'column', BATCH) : column('id', field);
      return isSharded
        ? buffers.take(`item ids ${field} of ${name}`, 'column', rows)
        : takeItemIds(buffers, field, rows);
    },
    bag: ({ name, isSharded }, field) =>
      isSharded ? buffers.take(`bag ${field} of ${name}`, 'column', 1, 2) : takeBag(buffers, field),
  };
}

/** Maximum rows of a table that workers share: kernels mark rows in the top bit. */
const MAX_SHARED_ROWS = 2 ** 31 - 1;
/** Minimum share of a step's ids that a table is looked up with, if workers share it. */
const MIN_SHARED_IDS = 1 / 4;
/** Workers per table from which sharing it is faster: numbering its rows takes one worker a fifth of the time. */
const MIN_SHARING_WORKERS = 3;

/** Counts the ids of a row of the batch; of items without a limit one. */
function countIds(lookups: readonly TableLookup[], layout: InputLayout): number {
  return lookups.reduce((sum, { kind, field }) => sum + (kind === 'id' ? 1 : (findMaxItems(layout, field) ?? 1)), 0);
}

/** Returns the number of workers from which all of them share a table with some of `numIds` ids per row; 0 if never. */
function countSharing(lookups: readonly TableLookup[], layout: InputLayout, numIds: number): number {
  const share = countIds(lookups, layout) / numIds;
  return lookups.some(({ kind }) => kind === 'pooled') || !(share >= MIN_SHARED_IDS)
    ? 0
    : Math.ceil(MIN_SHARING_WORKERS / share);
}

/** Returns the maximum number of ids per row; infinite for a bag without a limit before there is a batch. */
function countMaxIds(lookups: readonly TableLookup[], layout: InputLayout): number {
  return lookups.reduce(
    (sum, { kind, field }) => sum + (kind === 'id' ? 1 : (findMaxItems(layout, field) ?? Infinity)),
    0,
  );
}

function placeTable(
  table: TableSpec,
  lookups: readonly TableLookup[],
  layout: InputLayout,
  buffers: Buffers,
  update: TableUpdate,
  claim: Ref,
  sharedFrom: number,
  { stepRows, areas, isAveraged, peers, spareRowsOf, tableFormat, dealing, ownRows, ownStepRows }: TableSizes,
): TablePlace {
  const { name, rows: allRows, width, isFrozen, idsOf, initialRows } = table;
  const rowWords = countRowWords(tableFormat, width);
  const average = rowWords + countSlotElements(update.optimizer, width);
  const stride = average + (isAveraged && isFrozen !== true ? averageWords(width) : 0);
  const rows = localRowCount(allRows, dealing);
  const isSharded = isShardedTable(allRows, dealing);
  const maxIds = countMaxIds(lookups, layout);
  const mostOf = (batchRows: number, all: number): number => Math.min(all, batchRows * maxIds);
  const gatheredOf = (of: string, most: number): GatheredRows => ({
    hash: buffers.take(`${of}hash ${name}`, 'index', 1, 4 * most),
    distinct: buffers.take(`${of}distinct ${name}`, 'index', 1, most),
    gradients: buffers.take(`${of}row gradients ${name}`, 'row gradients', areas, most * width),
    areaWords: most * width,
    count: buffers.take(`${of}count ${name}`, 'index', 1, 3),
    most,
  });
  const storedRows = rows + (stride === rowWords ? spareRowsOf(table) : 0);
  const at = buffers.take(`table ${name}`, 'table', storedRows, stride);
  const gathered = gatheredOf('', mostOf(stepRows, rows));
  const lookedRows = mostOf(Math.max(ownStepRows, ownRows), allRows);
  return {
    name,
    rows,
    allRows,
    width,
    ...(isFrozen && { isFrozen }),
    ...(idsOf !== undefined && { idsOf }),
    ...(initialRows !== undefined && { initialRows, usedRowsAt: buffers.take(`used rows ${name}`, 'settings', 1, 2) }),
    lookups,
    format: resolveFormat(tableFormat, width),
    rowWords,
    stride,
    update,
    isSharded,
    average,
    at,
    claim,
    sharedFrom,
    rowNumbers:
      sharedFrom === 0
        ? []
        : lookups.map(({ value }, i) => buffers.take(`row numbers ${i} of ${name}`, 'index', value.rows)),
    ...gathered,
    looked: isSharded
      ? { at: buffers.take(`fetched rows ${name}`, 'scratch', lookedRows, width), stride: width, rows: lookedRows }
      : { at, stride, rows: storedRows },
    gathered: peers.size === 1 ? gathered : gatheredOf('own ', mostOf(ownStepRows, allRows)),
  };
}

/** Kernels that look up rows in a format, one per id or pooled. */
const LOOKUPS = {
  f32: { one: 'lookup', pooled: 'lookupBags' },
  fp16: { one: 'lookupHalf', pooled: 'lookupBagsHalf' },
  int8: { one: 'lookupInt8', pooled: 'lookupBagsInt8' },
} as const satisfies Record<TableFormat, Record<'one' | 'pooled', QuantizedKernel | 'lookup' | 'lookupBags'>>;

/**
 * Fills looked-up values: with rows of tables, pooled rows, and columns of the batch.
 * @param batch domain of the batch
 */
export function lowerLookups(
  tables: TablePlaces,
  lookups: readonly Lookup[],
  view: (value: Value) => View,
  list: CallList,
  batch: Domain = BATCH,
): void {
  const divided = new Set<string>();
  // Factors replace the weights, once for all tables that the items are looked up in.
  const divideWeights = (field: string): void => {
    const { bag, offsets, pooling, rows: parents } = tables.itemsOf(field);
    const rows = parents.kind === 'batch' ? batch : parents;
    if (pooling !== undefined && pooling !== 'sum' && !divided.has(field))
      list.emit('poolingFactors', { bag: bag!, offsets, pooling: POOLING_NUMBERS[pooling], rows });
    divided.add(field);
  };
  for (const lookup of lookups) {
    const { field, value, begin } = lookup;
    const rows = value.rows.kind === 'batch' ? batch : value.rows;
    if (!isOfTable(lookup)) {
      const { kind, width } = lookup;
      if (kind === 'factors') divideWeights(field);
      else {
        const y = cutColumns(view(value), begin, width);
        list.emit('copyColumns', { x: tables.column('number', field, width), y, rows, width, accumulate: 0 });
      }
      continue;
    }
    const table = tables.byName.get(lookup.table)!;
    const {
      width,
      format,
      looked: { at, stride, rows: tableSize },
    } = table;
    const shared = { table: at, tableSize, stride, width, y: cutColumns(view(value), begin, width), rows };
    if (lookup.kind !== 'pooled') {
      list.emit(LOOKUPS[format].one, { ids: tables.ids(table, lookup), ...shared });
      continue;
    }
    divideWeights(field);
    list.emit(LOOKUPS[format].pooled, {
      bag: tables.bag(table, field),
      offsets: tables.itemsOf(field).offsets,
      ...shared,
    });
  }
}

/** Updates the rows that a step touched, or all rows if tables are not lazy. */
export function lowerTableUpdates(tables: TablePlaces, refused: Ref, list: CallList): void {
  for (const {
    at: table,
    rows,
    stride,
    width,
    hash,
    distinct,
    gradients,
    count,
    update: { rule, isLazy, constants },
  } of tables.trained) {
    list.emit(`${rule}Table`, {
      table,
      stride,
      width,
      hash,
      distinct,
      gradients,
      countAt: count,
      constants,
      refused,
      tableRows: isLazy ? 0 : rows,
    });
  }
}
