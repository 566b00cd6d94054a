import type { ChunkRows } from '../../chunks/chunk.js';
import { listItems, JSON_ITEM, type Column, type Items, type Lists } from '../../chunks/column.js';
import type { BagItems } from '../../chunks/bag-buffer.js';
import { column as columnOf } from '../../core/batch.js';
import { looksLikeJson, parseJsonBag } from '../bag-json.js';
import { FLAT, NESTED, NESTED_BAG } from '../nested-json.js';
import { createCleaner, type CellOptions } from '../cells.js';
import { cutLists } from '../cut-lists.js';
import { BadValue, type BagForm, type Encoder, type Fit, type ListForm } from '../feature.js';
import { parseNumber } from '../parse.js';
import { takeTopK } from '../top-k-by-weight.js';
import type { FieldFitter, FieldOf, Kind, ListReading, ReadColumns } from './kind.js';
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
  holdsNumbers: false,
  column: ({ name }) => ({ name, kind: 'bag' }),
  inputSource: ({ owner, pooling, form: { maxItems } }) => ({
    kind: 'bag',
    table: owner,
    pooling,
    ...(maxItems !== undefined && { maxItems }),
  }),

  reader: (field) =>
    listReader(field, bag.lists!(field), itemReader(encoderOfItems(field)), (ids, { weights }) => ({ ids, weights })),
  fitter: (field, fit) => new ListFitter(field, bag.lists!(field), guarded(fit)),
};

/** A field with lists, and which of their items it reads. */
type ListField = Pick<FieldOf<'bag'>, 'name' | 'columns'> & { readonly form: Pick<BagForm, 'maxItems' | 'negative'> };

/**
 * Creates a reader of lists.
 * @param encodeItems encodes all items of a chunk
 * @param store returns what a bag stores of encoded items
 */
export function listReader<Encoded extends Uint32Array | Float32Array>(
  field: ListField,
  { read }: ListReading,
  encodeItems: (items: ChunkRows) => Encoded,
  store: (encoded: Encoded, lists: Lists) => Omit<BagItems, 'offsets'>,
): ReadColumns {
  return (rows, block) => {
    const lists = read(rows);
    const items = itemRows(lists, rows.count);
    const { ids, weights } = store(encodeItems(items), lists);
    const into = columnOf(block, field.name, 'list');
    if (takesAll(rows, field, lists, items))
      return into.append({ offsets: lists.offsets, ids, weights }, 0, rows.count, block.rows);
    into.reserve(into.offsets[block.rows]! + items.count);
    for (let row = 0; row < rows.count; row++) {
      into.open(block.rows + row);
      eachItem(rows, row, field, lists, items, (item) => into.add(ids[item]!, weights?.[item] ?? 1));
      into.close(block.rows + row);
    }
  };
}

/** Fits the items of lists. */
export class ListFitter implements FieldFitter {
  readonly #field: ListField;
  readonly #read: ListReading['read'];
  readonly #items: OneValueFitter;
  #checked: { readonly lists: Lists; readonly items: ChunkRows } | undefined;

  constructor(field: ListField, { read }: ListReading, fit: Fit) {
    this.#field = field;
    this.#read = read;
    this.#items = new OneValueFitter([ITEM], fit);
  }

  check(rows: ChunkRows): void {
    const lists = this.#read(rows);
    const items = itemRows(lists, rows.count);
    this.#checked = { lists, items };
    this.#items.check(items);
    if (takesAll(rows, this.#field, lists, items)) return;
    for (let row = 0; row < rows.count; row++) eachItem(rows, row, this.#field, lists, items, () => undefined);
  }

  observe(rows: ChunkRows): void {
    const { lists, items } = this.#checked!;
    if (takesAll(rows, this.#field, lists, items)) return this.#items.observe(items);
    const isObserved = new Uint8Array(items.count);
    for (let row = 0; row < rows.count; row++)
      eachItem(rows, row, this.#field, lists, items, (item) => void (isObserved[item] = 1));
    for (let item = 0; item < items.count; item++)
      if (isObserved[item] === 0 && items.isKept(item)) items.exclude(item, '');
    this.#items.observe(items);
  }
}

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
function encoderOfItems({ encode, direct, isTransient }: ItemEncoder): OneValueEncoder {
  return {
    direct,
    isTransient,
    encode: (text) => {
      if (text === '') throw NO_ID;
      return encode(text);
    },
  };
}

/** How the texts of items are encoded. */
export type ItemEncoder = Pick<Encoder, 'encode' | 'direct' | 'isTransient'>;

/** Returns whether all rows are kept and all items of the chunk are valid and selected. */
function takesAll(rows: ChunkRows, { form }: ListField, { offsets, weights }: Lists, items: ChunkRows): boolean {
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
  { columns, form }: ListField,
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
  const { format, items, weight, keepsMissing = false, areNumbers = false, areLists } = form;
  const nested = areLists === true ? ['lists'] : [];
  const itemForm = keepsMissing || areNumbers ? [[keepsMissing, areNumbers, ...nested]] : [];
  const key = JSON.stringify([format, items, weight, clean === undefined ? null : cells, ...itemForm]);
  const read = (rows: ChunkRows): Lists => {
    const column = rows.column(name);
    const { lists } = column;
    const isOther = lists !== undefined && (lists.areLists === true) !== (areLists === true);
    if (lists !== undefined && clean === undefined && !isOther) return lists;
    const cut = clean === undefined && column.utf8 !== undefined ? cutLists(rows, column.utf8, form) : undefined;
    if (cut !== undefined) return cut;
    const listAt =
      lists === undefined ? (row: number) => column.listAt?.(row, form) : (row: number) => listItems(lists, row);
    const builder = new ListBuilder(rows.count);
    for (let row = 0; row < rows.count; row++) {
      try {
        if (rows.isKept(row)) {
          const list = listAt(row);
          if (isOther && list!.end > 0) throw nestingProblem(form);
          if (list !== undefined) builder.addItems(list, form, clean);
          else builder.addText(column.text(row), form, clean);
        }
      } catch (error) {
        rows.refuse(row, [name], error);
      }
      builder.endRow(row, rows.isKept(row));
    }
    return builder.lists();
  };
  return { key, areLists, read };
}

/** Returns why lists of lists, or other lists, cannot be read. */
function nestingProblem({ areLists, keepsMissing }: ListForm): BadValue {
  if (areLists === true) return FLAT;
  return keepsMissing === true ? NESTED : NESTED_BAG;
}

type Clean = (text: string) => string;

/** Returns the part of a text that may be a JSON list. */
function findJson(text: string, { format }: ListForm): string | undefined {
  if (format === 'item') return text.startsWith(JSON_ITEM) ? text.slice(JSON_ITEM.length) : undefined;
  return format !== 'separated' && looksLikeJson(text) ? text : undefined;
}

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
  addItems({ ids, weights, begin, end }: Items, { keepsMissing = false }: ListForm, clean: Clean | undefined): void {
    for (let i = begin; i < end; i++) {
      if (ids[i] === '' && !keepsMissing) throw NO_ID;
      const id = clean === undefined ? ids[i]! : clean(ids[i]!);
      if (id !== '' || keepsMissing) this.#add(id, weights[i]!);
    }
  }

  /**
   * Adds the items of a text. The last weight separator of an item ends its id, so that ids may contain that
   * character if all items have weights.
   * @throws InvalidValueError
   */
  addText(written: string, form: ListForm, clean: Clean | undefined): void {
    const text = clean === undefined ? written : clean(written);
    const json = findJson(text, form);
    const listed = json === undefined ? undefined : parseJsonBag(json, form);
    if (listed !== undefined) return this.addItems(listed, form, clean);
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
    const { keepsMissing = false, weight: separator } = form;
    if (item === '' && written !== '' && !keepsMissing) return;
    const colon = separator === undefined ? -1 : item.lastIndexOf(separator);
    const id = colon < 0 ? item : item.slice(0, colon);
    if (id === '' && !keepsMissing) throw new BadValue(`an id in every item, with '${form.items}' between items`);
    const weight = colon < 0 ? 1 : weightOf(item.slice(colon + 1), form);
    const cleaned = clean === undefined ? id : clean(id);
    if (cleaned !== '' || keepsMissing) this.#add(cleaned, weight);
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
      `items of the form id or id${weight ?? ''}weight, with a decimal weight in the range of a 32-bit float`,
    );
  }
}
