import { countSlotElements, type Optimizer } from '../../optimizers/optimizer.js';
import type { InputColumns, InputLayout, SequenceColumns, TableSpec } from '../../tables/layout.js';
import { averageWords } from '../average.js';
import { isDealt, rowsHere, type Dealing } from '../dealt-rows.js';
import type { ProcessGroup } from '../../core/process-group.js';
import { BATCH, items } from '../../graph/domain.js';
import { POOLING_NUMBERS, type BagPlace } from './bags.js';
import { columnsOf, createView, shift, type Buffers, type Ref, type View } from './buffers.js';
import type { CallList, TableRule } from './call-list.js';

type TableColumns = Extract<InputColumns, { readonly table: string }>;

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
 * One table and what belongs to it. Its rows are those of this process: some of them if it is sharded. The rows
 * gathered in a step, from all processes, are those that it is updated with.
 */
export interface TablePlace extends TableSpec, GatheredRows {
  readonly update: TableUpdate;
  /** Rows of all processes. */
  readonly allRows: number;
  readonly isDealt: boolean;
  /** Rows that are looked up: the table's, or those that a step fetched from their ranks. */
  readonly looked: { readonly at: Ref; readonly stride: number; readonly rows: number };
  /** Rows gathered from this process's part of a batch. */
  readonly gathered: GatheredRows;
  /** The columns of the input that are looked up in it. */
  readonly fields: readonly TableColumns[];
  /** The sequences whose items are looked up in it. */
  readonly sequences: readonly SequenceColumns[];
  /**
   * Floats from row to row: weights, optimizer state, then the average and the steps that it covers, if there is one.
   */
  readonly stride: number;
  /** Floats from a row's weights to their average, if there is one. */
  readonly average: number;
  /** The first row. */
  readonly at: Ref;
  readonly claim: Ref;
  /** Number of workers from which all of them share the sums of its gradients; 0: one worker takes the table. */
  readonly sharedFrom: number;
  /** Row numbers of the ids of each field and sequence, if workers share the table. */
  readonly rowNumbers: readonly Ref[];
}

/** The buffers of a sequence: row numbers of its items, and where the items of each row begin (`rows` + 1 words). */
export interface SequencePlace extends SequenceColumns {
  readonly ids: Ref;
  readonly offsets: Ref;
}

/** All that belongs to tables in a plan's memory. */
export interface TablePlaces {
  readonly all: readonly TablePlace[];
  readonly byName: ReadonlyMap<string, TablePlace>;
  /** A word per table. */
  readonly claims: Ref;
  readonly bags: ReadonlyMap<string, BagPlace>;
  /** Two words: a 1 in the first restarts gathering in a step's first backward pass; the second is always 0. */
  readonly fresh: Ref;
  /** The ids or numbers of a field, `width` per row. */
  column(kind: 'id' | 'number', field: string, width?: number): View;
  /** The row numbers that a field looks up in a table. */
  ids(table: TablePlace, field: string): Ref;
  /** The bags of a field for a table: their addresses (see `BagPlace`), and where the items of a row begin. */
  bag(table: TablePlace, field: string): Pick<BagPlace, 'addresses' | 'offsets'>;
  readonly sequences: readonly SequencePlace[];
  sequence(field: string): SequencePlace;
}

/** Sizes of the buffers of tables. */
export interface TableSizes {
  /** Maximum number of rows of a step, over all processes. */
  readonly stepRows: number;
  /** Number of separate gradients. */
  readonly areas: number;
  readonly isAveraged: boolean;
  readonly peers: ProcessGroup;
  /** Decides which tables are sharded. */
  readonly dealing: Dealing;
  /** Maximum rows of a pass and of a step in this process. */
  readonly ownRows: number;
  readonly ownStepRows: number;
}

/** Creates the buffers of a layout's tables. */
export function placeTables(
  layout: InputLayout,
  buffers: Buffers,
  bags: ReadonlyMap<string, BagPlace>,
  updateOf: (table: TableSpec) => TableUpdate,
  sizes: TableSizes,
): TablePlaces {
  const claims = buffers.take('claims', 'scratch', layout.tables.length);
  const columns = layout.columns.filter((each): each is TableColumns => 'table' in each);
  const { sequences: allSequences = [] } = layout;
  const numIds = countIds(columns, allSequences);
  const all = layout.tables.map((table, t) => {
    const fields = columns.filter(({ table: name }) => name === table.name);
    const own = allSequences.filter(({ table: name }) => name === table.name);
    const sharedFrom = table.rows > MAX_SHARED_ROWS ? 0 : countSharing(fields, own, numIds);
    return placeTable(table, fields, own, buffers, updateOf(table), shift(claims, t), sharedFrom, sizes);
  });
  const column: TablePlaces['column'] = (kind, field, width = 1) =>
    createView(buffers.take(`${kind} ${field}`, 'column', BATCH, width), width, width);
  const sequences = (layout.sequences ?? []).map((sequence): SequencePlace => ({
    ...sequence,
    ids: buffers.take(`item ids ${sequence.field}`, 'column', items(sequence.field)),
    offsets: buffers.take(`item offsets ${sequence.field}`, 'column', 1, sizes.ownRows + 1),
  }));
  return {
    all,
    sequences,
    sequence: (field) => sequences.find((sequence) => sequence.field === field)!,
    byName: new Map(all.map((table) => [table.name, table])),
    claims,
    bags,
    fresh: buffers.take('fresh', 'settings', 1, 2),
    column,
    // Fetched rows have numbers of their own in each table.
    ids: ({ name, isDealt }, field) =>
      isDealt ? buffers.take(`id ${field} of ${name}`, 'column', BATCH) : column('id', field),
    bag({ name, isDealt }, field) {
      const { addresses, offsets } = bags.get(field)!;
      return { addresses: isDealt ? buffers.take(`bag ${field} of ${name}`, 'column', 1, 2) : addresses, offsets };
    },
  };
}

/** Maximum rows of a table that workers share: kernels mark rows in the top bit. */
const MAX_SHARED_ROWS = 2 ** 31 - 1;
/** Minimum share of a step's ids that a table is looked up with, if workers share it. */
const MIN_SHARED_IDS = 1 / 4;
/** Workers per table from which sharing it is faster: numbering its rows takes one worker a fifth of the time. */
const MIN_SHARING_WORKERS = 3;

/** Counts the ids of a row of the batch; of a bag without a limit one. */
function countIds(fields: readonly TableColumns[], sequences: readonly SequenceColumns[]): number {
  return (
    fields.reduce((sum, columns) => sum + (columns.kind === 'bag' ? (columns.maxItems ?? 1) : 1), 0) +
    sequences.reduce((sum, { maxItems }) => sum + maxItems, 0)
  );
}

/** Returns the number of workers from which all of them share a table with some of `numIds` ids per row; 0 if never. */
function countSharing(fields: readonly TableColumns[], sequences: readonly SequenceColumns[], numIds: number): number {
  const share = countIds(fields, sequences) / numIds;
  return fields.some(({ kind }) => kind === 'bag') || !(share >= MIN_SHARED_IDS)
    ? 0
    : Math.ceil(MIN_SHARING_WORKERS / share);
}

function placeTable(
  table: TableSpec,
  fields: readonly TableColumns[],
  sequences: readonly SequenceColumns[],
  buffers: Buffers,
  update: TableUpdate,
  claim: Ref,
  sharedFrom: number,
  { stepRows, areas, isAveraged, peers, dealing, ownRows, ownStepRows }: TableSizes,
): TablePlace {
  const { name, rows: allRows, width } = table;
  const average = width + countSlotElements(update.optimizer, width);
  const stride = average + (isAveraged ? averageWords(width) : 0);
  const rows = rowsHere(allRows, dealing);
  const isSharded = isDealt(allRows, dealing);
  // The number of items of a bag without a limit is unknown before there is a batch.
  const lookedUp =
    fields.reduce((sum, columns) => sum + (columns.kind === 'bag' ? (columns.maxItems ?? Infinity) : 1), 0) +
    sequences.reduce((sum, { maxItems }) => sum + maxItems, 0);
  const mostOf = (batchRows: number, all: number): number => Math.min(all, batchRows * lookedUp);
  const gatheredOf = (of: string, most: number): GatheredRows => ({
    hash: buffers.take(`${of}hash ${name}`, 'index', 1, 4 * most),
    distinct: buffers.take(`${of}distinct ${name}`, 'index', 1, most),
    gradients: buffers.take(`${of}row gradients ${name}`, 'row gradients', areas, most * width),
    areaWords: most * width,
    count: buffers.take(`${of}count ${name}`, 'index', 1, 3),
    most,
  });
  const at = buffers.take(`table ${name}`, 'table', rows, stride);
  const gathered = gatheredOf('', mostOf(stepRows, rows));
  const lookedRows = mostOf(Math.max(ownStepRows, ownRows), allRows);
  return {
    name,
    rows,
    allRows,
    width,
    fields,
    sequences,
    stride,
    update,
    isDealt: isSharded,
    average,
    at,
    claim,
    sharedFrom,
    rowNumbers:
      sharedFrom === 0
        ? []
        : [
            ...fields.map(({ field }) => buffers.take(`row numbers ${field} of ${name}`, 'index', BATCH)),
            ...sequences.map(({ field }) => buffers.take(`item row numbers ${field}`, 'index', items(field))),
          ],
    ...gathered,
    looked: isSharded
      ? { at: buffers.take(`fetched rows ${name}`, 'scratch', lookedRows, width), stride: width, rows: lookedRows }
      : { at, stride, rows },
    gathered: peers.size === 1 ? gathered : gatheredOf('own ', mostOf(ownStepRows, allRows)),
  };
}

/** Fills the model's input: rows of tables, pooled bags, numbers and vectors side by side. */
export function lowerLookup({ columns }: InputLayout, tables: TablePlaces, input: View, list: CallList): void {
  const pooled = new Set<string>();
  for (const each of columns) {
    const y = columnsOf(input, each.offset, each.width);
    if (!('table' in each)) {
      const { field, width } = each;
      list.emit('copyColumns', { x: tables.column('number', field, width), y, width, accumulate: 0 });
      continue;
    }
    const place = tables.byName.get(each.table)!;
    const {
      width,
      looked: { at: table, stride, rows: tableSize },
    } = place;
    if (each.kind === 'id') {
      list.emit('lookup', { ids: tables.ids(place, each.field), table, tableSize, stride, width, y });
      continue;
    }
    const { addresses: bag, offsets } = tables.bag(place, each.field);
    // Factors replace the weights: a field that is looked up in several tables computes them once.
    if (each.pooling !== 'sum' && !pooled.has(each.field))
      list.emit('poolingFactors', { bag, offsets, pooling: POOLING_NUMBERS[each.pooling], rows: BATCH });
    pooled.add(each.field);
    list.emit('lookupBags', { bag, offsets, table, tableSize, stride, width, y });
  }
}

/** Looks up the items of a sequence. */
export function lowerItemLookup(tables: TablePlaces, field: string, y: View, list: CallList): void {
  const { ids, table, width } = tables.sequence(field);
  const { at, stride, rows: tableSize } = tables.byName.get(table)!.looked;
  list.emit('lookup', { ids, table: at, tableSize, stride, width, y });
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
  } of tables.all) {
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
