import type { ChunkRows } from '../../chunks/chunk.js';
import { itemsOf, type Column, type Items, type Lists } from '../../chunks/column.js';
import { column as columnOf } from '../../core/batch.js';
import { looksLikeJson, parseJsonBag } from '../bag-json.js';
import { createCleaner, type CellOptions } from '../cells.js';
import { BadValue, type BagForm, type Encoder, type Fit, type ListForm } from '../feature.js';
import { parseNumber } from '../parse.js';
import { takeTopK } from '../top-k-by-weight.js';
import type { FieldOf, Kind, ListReading } from './kind.js';
import { ITEM, itemReader, itemRows, OneValueFitter, type OneValueEncoder } from './one-value.js';

const NO_JSON = new BadValue('a JSON list, such as [20, 34], ["a", "b"] or [["a", 0.5], ["b", 2]]');
export const NO_ID = new BadValue('an id in every item');
const NO_WEIGHT = new BadValue('a weight in the range of a 32-bit float for every item');
const NEGATIVE = new BadValue('nonnegative weights, which pooling: mean requires');

/** Any number of weighted ids per row. An item of weight 0 contributes nothing. */
export const bag: Kind<'bag'> = {
  name: 'bag',
  takesStored: ({ direct, form }, { kind, size = Infinity }) =>
    kind === 'bag' && form.maxItems === undefined && direct?.cell === 'id' && size <= direct.below,
  rawForm: () => 'list',
  lists: ({ columns, form, cells = {} }) => listReading(columns[0]!, form, cells),
  takesLists: true,
  isCompared: false,
  column: ({ name }) => ({ name, kind: 'bag' }),
  inputSource: ({ owner, pooling, form: { maxItems } }) => ({
    kind: 'bag',
    table: owner,
    pooling,
    ...(maxItems !== undefined && { maxItems }),
  }),

  reader(field) {
    const toLists = bag.lists!(field).read;
    const encodeItems = itemReader(encoderOfItems(field));
    return (rows, block) => {
      const lists = toLists(rows);
      const items = itemRows(lists, rows.count);
      const ids = encodeItems(items);
      const into = columnOf(block.bags, field.name);
      if (takesAll(rows, field, lists, items)) return into.append({ ...lists, ids }, 0, rows.count, block.rows);
      into.reserve(into.offsets[block.rows]! + items.count);
      for (let row = 0; row < rows.count; row++) {
        into.open(block.rows + row);
        eachItem(rows, row, field, lists, items, (item) => into.add(ids[item]!, lists.weights?.[item] ?? 1));
        into.close(block.rows + row);
      }
    };
  },

  fitter(field, fit) {
    const toLists = bag.lists!(field).read;
    const items = new OneValueFitter([ITEM], guarded(fit));
    let checked: { readonly lists: Lists; readonly items: ChunkRows } | undefined;
    return {
      check(rows) {
        const lists = toLists(rows);
        checked = { lists, items: itemRows(lists, rows.count) };
        items.check(checked.items);
        if (takesAll(rows, field, lists, checked.items)) return;
        for (let row = 0; row < rows.count; row++) eachItem(rows, row, field, lists, checked.items, () => undefined);
      },
      observe(rows) {
        const { lists, items: all } = checked!;
        if (takesAll(rows, field, lists, all)) return items.observe(all);
        const isObserved = new Uint8Array(all.count);
        for (let row = 0; row < rows.count; row++)
          eachItem(rows, row, field, lists, all, (item) => void (isObserved[item] = 1));
        for (let item = 0; item < all.count; item++)
          if (isObserved[item] === 0 && all.isKept(item)) all.exclude(item, '');
        items.observe(all);
      },
    };
  },
};

/** Rejects items without an id in a fit. */
function guarded(fit: Fit): Fit {
  return {
    ...fit,
    check: (text) => {
      if (text === '') throw NO_ID;
      fit.check(text);
    },
  };
}

/** Rejects items without an id. */
function encoderOfItems({ encode, direct }: Pick<Encoder, 'encode' | 'direct'>): OneValueEncoder {
  return {
    direct,
    encode: (text) => {
      if (text === '') throw NO_ID;
      return encode(text);
    },
  };
}

/** Returns whether all rows are kept and all items of the chunk are valid and selected. */
function takesAll(rows: ChunkRows, { form }: FieldOf<'bag'>, { offsets, weights }: Lists, items: ChunkRows): boolean {
  if (rows.numKept < rows.count || items.numKept < items.count || offsets[0] !== 0) return false;
  if (form.maxItems !== undefined)
    for (let row = 0; row < rows.count; row++) if (offsets[row + 1]! - offsets[row]! > form.maxItems) return false;
  if (weights !== undefined)
    for (let item = 0; item < items.count; item++) if (weightProblem(weights[item]!, form) !== undefined) return false;
  return true;
}

/** Returns why a weight is invalid; undefined if it is valid. */
export function weightProblem(weight: number, { negative }: Pick<BagForm, 'negative'>): BadValue | undefined {
  if (!Number.isFinite(Math.fround(weight))) return NO_WEIGHT;
  return weight < 0 && negative === 'refused' ? NEGATIVE : undefined;
}

/**
 * Calls `take` for each selected item of a kept row. The row is refused for an invalid weight of any item, and for an
 * invalid id of a selected one.
 */
function eachItem(
  rows: ChunkRows,
  row: number,
  { columns, form }: FieldOf<'bag'>,
  { offsets, weights }: Lists,
  items: ChunkRows,
  take: (item: number) => void,
): void {
  if (!rows.isKept(row)) return;
  const [begin, end] = [offsets[row]!, offsets[row + 1]!];
  if (weights !== undefined) {
    for (let item = begin; item < end; item++) {
      const problem = weightProblem(weights[item]!, form);
      if (problem !== undefined) return rows.refuse(row, columns, problem);
    }
  }
  const select = (item: number): void => {
    const problem = items.problemOf(item);
    if (problem === undefined) take(item);
    else rows.refuse(row, columns, problem.error);
  };
  const takeValid = items.numKept < items.count ? select : take;
  const { maxItems = Infinity } = form;
  if (end - begin <= maxItems) for (let item = begin; item < end; item++) takeValid(item);
  else if (weights === undefined) for (let item = begin; item < begin + maxItems; item++) takeValid(item);
  else takeTopK(weights, begin, end, maxItems, takeValid);
}

/** Returns how the lists of a column are read. */
export function listReading(name: string, form: ListForm, cells: CellOptions): ListReading {
  const clean = createCleaner(cells);
  const { format, items, weight } = form;
  const key = JSON.stringify([format, items, weight, clean === undefined ? null : cells]);
  const read = (rows: ChunkRows): Lists => {
    const column = rows.column(name);
    if (column.lists !== undefined && clean === undefined) return column.lists;
    const { lists } = column;
    const listAt = lists === undefined ? (row: number) => column.listAt?.(row) : (row: number) => itemsOf(lists, row);
    const builder = new ListBuilder(rows.count);
    for (let row = 0; row < rows.count; row++) {
      try {
        if (rows.isKept(row)) {
          const list = listAt(row);
          if (list !== undefined) builder.addItems(list, clean);
          else builder.addText(column.text(row), form, clean);
        }
      } catch (error) {
        rows.refuse(row, [name], error);
      }
      builder.endRow(row, rows.isKept(row));
    }
    return builder.lists();
  };
  return { key, read };
}

type Clean = (text: string) => string;

/** Collects the items of rows. */
class ListBuilder {
  readonly #offsets: Uint32Array;
  readonly #ids: string[] = [];
  readonly #weights: number[] = [];
  #row = 0;

  constructor(rows: number) {
    this.#offsets = new Uint32Array(rows + 1);
  }

  /** Adds the items of a list; items that cleaning makes missing are dropped. */
  addItems({ ids, weights, begin, end }: Items, clean: Clean | undefined): void {
    for (let i = begin; i < end; i++) {
      if (ids[i] === '') throw NO_ID;
      const id = clean === undefined ? ids[i]! : clean(ids[i]!);
      if (id !== '') this.#add(id, weights[i]!);
    }
  }

  /**
   * Adds the items of a text. The last weight separator of an item ends its id, so that ids may contain that
   * character if all items have weights.
   * @throws InvalidValueError
   */
  addText(written: string, form: ListForm, clean: Clean | undefined): void {
    const text = clean === undefined ? written : clean(written);
    const listed = form.format !== 'separated' && looksLikeJson(text) ? parseJsonBag(text) : undefined;
    if (listed !== undefined) return this.addItems(listed, clean);
    if (form.format === 'json' && text !== '') throw NO_JSON;
    for (let begin = 0; text.length > 0 && begin <= text.length;) {
      const next = text.indexOf(form.items, begin);
      const end = next < 0 ? text.length : next;
      this.#addItem(text.slice(begin, end), form, clean);
      begin = end + 1;
    }
  }

  /** Ends a row; without its items if it is not kept. */
  endRow(row: number, isKept: boolean): void {
    if (!isKept) this.#ids.length = this.#weights.length = this.#row;
    this.#row = this.#ids.length;
    this.#offsets[row + 1] = this.#row;
  }

  lists(): Lists {
    const ids = this.#ids;
    const items: Column = { type: 'string', text: (item) => ids[item]! };
    return { offsets: this.#offsets, items, weights: this.#weights };
  }

  #addItem(written: string, form: ListForm, clean: Clean | undefined): void {
    const item = clean === undefined ? written : clean(written);
    if (item === '' && written !== '') return;
    const colon = item.lastIndexOf(form.weight);
    const id = colon < 0 ? item : item.slice(0, colon);
    if (id === '') throw new BadValue(`an id in every item, with '${form.items}' between items`);
    const weight = colon < 0 ? 1 : weightOf(item.slice(colon + 1), form);
    const cleaned = clean === undefined ? id : clean(id);
    if (cleaned !== '') this.#add(cleaned, weight);
  }

  #add(id: string, weight: number): void {
    this.#ids.push(id);
    this.#weights.push(weight);
  }
}

function weightOf(text: string, { weight }: ListForm): number {
  try {
    return parseNumber(text);
  } catch {
    throw new BadValue(
      `items of the form id or id${weight}weight, with a decimal weight in the range of a 32-bit float`,
    );
  }
}
