import { countSlotElements, type Optimizer } from '../../optimizers/optimizer.js';
import type { InputColumns, InputLayout, TableSpec } from '../../tables/layout.js';
import { averageWords } from '../average.js';
import { isDealt, rowsHere, type Dealing } from '../dealt-rows.js';
import type { ProcessGroup } from '../../core/process-group.js';
import { placesApart } from '../cpu/apart.js';
import { WORD, type Arena } from './arena.js';
import { POOLING_NUMBERS, type BagPlace } from '../cpu/bags.js';
import { ROWS, type CallList, type TableRule } from './call-list.js';
import type { Place } from './places.js';

type TableColumns = Extract<InputColumns, { readonly table: string }>;

/** How the rows of a table are updated. */
export interface TableUpdate {
  readonly rule: TableRule;
  readonly optimizer: Optimizer;
  /** Whether rows that no batch touches stay as they are. */
  readonly isLazy: boolean;
  /** Where the constants of a step lie. */
  readonly constants: number;
}

/** Distinct rows of a table, and their gradients. */
export interface Gathered {
  readonly hash: number;
  readonly distinct: number;
  /** Of the distinct rows; further areas of as many floats lie `areaBytes` on. */
  readonly gradients: number;
  readonly areaBytes: number;
  /** Three words: the number of distinct rows, one that is free, and what it can be at the most in this step. */
  readonly count: number;
  /** The most that there is room for. */
  readonly most: number;
}

/**
 * Where one table and what belongs to it lie. Its rows are those that this process has: every so many where it is dealt
 * out. What
 * is gathered for it in a step, from all processes, is what it is updated with.
 */
export interface TablePlace extends TableSpec, Gathered {
  readonly update: TableUpdate;
  /** Rows that all processes have together. */
  readonly allRows: number;
  readonly isDealt: boolean;
  /** Where rows are looked up: in the table, or where those that a step needs were brought together. */
  readonly looked: { readonly at: number; readonly stride: number; readonly rows: number };
  /** What the rows of this process give. */
  readonly gathered: Gathered;
  /** The columns of the input that are looked up in it. */
  readonly fields: readonly TableColumns[];
  /**
   * Floats from row to row: the weights, what the optimizer keeps, then the average and the steps that it covers, if
   * there is one.
   */
  readonly stride: number;
  /** Bytes from a row's weights to their average, if there is one. */
  readonly average: number;
  /** Of its first row: in the one memory, or among the addresses of tables that lie apart. */
  readonly at: number;
  readonly claim: number;
}

/** All that belongs to tables in a plan's memory. */
export interface TablePlaces {
  readonly all: readonly TablePlace[];
  readonly byName: ReadonlyMap<string, TablePlace>;
  /** Of all tables, a word each. */
  readonly claims: number;
  readonly bags: ReadonlyMap<string, BagPlace>;
  /** Two words: a 1 in the first makes a step's first pass back begin anew, the second is always 0. */
  readonly fresh: number;
  /** Where the ids or numbers of a field lie, `width` of them a row. */
  column(kind: 'id' | 'number', field: string, width?: number): number;
  /** Where the numbers of the rows lie that a field looks up in a table. */
  ids(table: TablePlace, field: string): number;
  /**
   * The bags of a field as a table takes them: their addresses (see `BagPlace`), and where the items of a row begin.
   */
  bag(table: TablePlace, field: string): Pick<BagPlace, 'addresses' | 'offsets'>;
}

/** What tables need room for. */
export interface TableRoom {
  /** Rows of all batches that a step takes together. */
  readonly stepRows: number;
  /** Gradients that are kept apart. */
  readonly areas: number;
  /** Whether an average is kept. */
  readonly isAveraged: boolean;
  /** The most that tables may take of the one memory: the largest of them lie apart. */
  readonly tableBytes: number;
  readonly peers: ProcessGroup;
  /** Which tables are dealt out. */
  readonly dealing: Dealing;
  /** Rows of a step that this process passes. */
  readonly ownRows: number;
}

/** Lays out the tables of a layout. */
export function placeTables(
  layout: InputLayout,
  arena: Arena,
  bags: ReadonlyMap<string, BagPlace>,
  updateOf: (table: TableSpec) => TableUpdate,
  maxRows: number,
  { stepRows, areas, isAveraged, tableBytes, peers, dealing, ownRows }: TableRoom,
): TablePlaces {
  const fieldsOf = new Map(layout.tables.map(({ name }) => [name, [] as TableColumns[]]));
  for (const columns of layout.columns) if ('table' in columns) fieldsOf.get(columns.table)!.push(columns);
  const claims = arena.take('claims', layout.tables.length);
  const sized = layout.tables.map((table) => {
    const update = updateOf(table);
    const average = table.width + countSlotElements(update.optimizer, table.width);
    const stride = average + (isAveraged ? averageWords(table.width) : 0);
    const rows = rowsHere(table.rows, dealing);
    return { table, update, average, stride, rows, bytes: rows * stride * WORD };
  });
  const within = fitting(sized, tableBytes);
  const takeApart = placesApart();
  const all = sized.map(({ table, update, average, stride, rows, bytes }, t): TablePlace => {
    const { name, rows: allRows, width } = table;
    const dealtOut = isDealt(allRows, dealing);
    const fields = fieldsOf.get(name)!;
    // How many items a bag without a limit has is not known before there is a batch.
    const lookedUp = fields.reduce(
      (sum, columns) => sum + (columns.kind === 'bag' ? (columns.maxItems ?? Infinity) : 1),
      0,
    );
    const mostOf = (batchRows: number, all: number): number => Math.min(all, batchRows * lookedUp);
    const take = (what: string, words: number): number => arena.take(`table ${what} ${name}`, words);
    const gatheredOf = (of: string, most: number): Gathered => ({
      hash: take(`${of}hash table`, 4 * most),
      distinct: take(`${of}distinct`, most),
      gradients: take(`${of}gradients`, areas * most * width),
      areaBytes: most * width * WORD,
      count: take(`${of}count`, 3),
      most,
    });
    const at = within.has(table) ? take('rows', rows * stride) : takeApart(bytes);
    const gathered = gatheredOf('', mostOf(stepRows, rows));
    const lookedRows = mostOf(Math.max(ownRows, maxRows), allRows);
    return {
      name,
      rows,
      allRows,
      width,
      fields,
      stride,
      update,
      isDealt: dealtOut,
      average: average * WORD,
      at,
      claim: claims + t * WORD,
      ...gathered,
      looked: dealtOut
        ? { at: take('looked up', lookedRows * width), stride: width, rows: lookedRows }
        : { at, stride, rows },
      gathered: peers.size === 1 ? gathered : gatheredOf('own ', mostOf(ownRows, allRows)),
    };
  });
  const column: TablePlaces['column'] = (kind, field, width = 1) => arena.take(`${kind} ${field}`, maxRows * width);
  return {
    all,
    byName: new Map(all.map((table) => [table.name, table])),
    claims,
    bags,
    fresh: arena.take('fresh', 2),
    column,
    // Where rows are brought together, each table numbers its own.
    ids: ({ name, isDealt }, field) => (isDealt ? arena.take(`id ${field} of ${name}`, maxRows) : column('id', field)),
    bag({ name, isDealt }, field) {
      const { addresses, offsets } = bags.get(field)!;
      return { addresses: isDealt ? arena.take(`bag ${field} of ${name}`, 2) : addresses, offsets };
    },
  };
}

/** The smallest tables, as many as go into so many bytes. */
function fitting(
  tables: readonly { readonly table: TableSpec; readonly bytes: number }[],
  most: number,
): ReadonlySet<TableSpec> {
  let left = most;
  return new Set(
    [...tables]
      .sort((a, b) => a.bytes - b.bytes)
      .filter(({ bytes }) => (left -= bytes) >= 0)
      .map(({ table }) => table),
  );
}

/** Fills the model's input: rows of tables, pooled bags, numbers and vectors side by side. */
export function lowerLookup({ columns }: InputLayout, tables: TablePlaces, input: Place, list: CallList): void {
  const pooled = new Set<string>();
  for (const each of columns) {
    const at = input.at + each.offset * WORD;
    if (!('table' in each)) {
      const { field, width } = each;
      list.emit('copyColumns', {
        x: tables.column('number', field, width),
        ldx: width,
        y: at,
        ldy: input.ld,
        rows: ROWS,
        width,
        accumulate: 0,
      });
      continue;
    }
    const place = tables.byName.get(each.table)!;
    const {
      width,
      looked: { at: table, stride },
    } = place;
    if (each.kind === 'id') {
      list.emit('lookup', {
        ids: tables.ids(place, each.field),
        table,
        stride,
        width,
        y: at,
        ldy: input.ld,
        rows: ROWS,
      });
      continue;
    }
    const { addresses: bag, offsets } = tables.bag(place, each.field);
    // Factors stand in the place of weights: a field that is looked up in several tables has them once.
    if (each.pooling !== 'sum' && !pooled.has(each.field))
      list.emit('poolingFactors', { bag, offsets, pooling: POOLING_NUMBERS[each.pooling], rows: ROWS });
    pooled.add(each.field);
    list.emit('lookupBags', { bag, offsets, table, stride, width, y: at, ldy: input.ld, rows: ROWS });
  }
}

/**
 * Sums the input's gradient over each distinct row, by table, into an area of the gradients. Only the first area begins
 * anew.
 */
export function lowerGather(tables: TablePlaces, input: Place, area: number, areas: number, list: CallList): void {
  // Workers take tables as they come free, the large ones first.
  for (const table of [...tables.all].sort((a, b) => b.rows - a.rows)) {
    const {
      fields,
      width,
      claim,
      gathered: { hash, distinct, gradients, areaBytes, count },
    } = table;
    fields.forEach((columns, f) => {
      const shared = {
        claim,
        width,
        hash,
        distinct,
        areaBytes,
        d: input.gradient + columns.offset * WORD,
        ldd: input.ld,
        gradients: gradients + area * areaBytes,
        areas: area === 0 ? areas : 1,
        countAt: count,
        rows: ROWS,
        isFirstField: f === 0 ? 1 : 0,
        fresh: area === 0 ? tables.fresh : tables.fresh + WORD,
      } as const;
      if (columns.kind === 'id') list.emit('gatherGradients', { ids: tables.ids(table, columns.field), ...shared });
      else {
        const { addresses: bag, offsets } = tables.bag(table, columns.field);
        list.emit('gatherBagGradients', { bag, offsets, ...shared });
      }
    });
  }
}

/** Updates the rows that a step touched, or all of them where the tables are not lazy. */
export function lowerTableUpdates(tables: TablePlaces, refused: number, list: CallList): void {
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
