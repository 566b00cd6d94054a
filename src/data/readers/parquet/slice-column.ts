import type { ColumnMetaData } from 'hyparquet';
import type { Column } from '../../../chunks/column.js';
import type { ColumnPlan, Leaf } from './column-plan.js';
import { LeafReader } from './leaf-reader.js';
import { createLeafSlice, grown, type LeafSlice } from './leaf-slice.js';
import type { PageMemory } from './page-memory.js';

/** A column of a row group, read some rows at a time. Its memory is reused for the next rows. */
export interface SliceColumn {
  /** Bytes per row if they do not depend on the values. */
  readonly rowBytes?: number;
  /** Number of the last data page that was read, from 1 on. */
  readonly page: number;
  /** Appends the next rows and returns about how many bytes they take. */
  append(rows: number): Promise<number>;
  /** Returns the appended rows, valid until the next `append`. */
  take(): Column;
  /** Returns whether all rows were read. */
  isDone(): Promise<boolean>;
}

/** Bytes of a number, also of one whose exact text is stored. */
const [NUMBER_BYTES, LARGE_NUMBER_BYTES] = [8, 64];
const OFFSET_BYTES = 4;

/**
 * Opens a column.
 * @param chunks the chunk of each leaf of the plan
 * @param capacity maximum number of rows of a slice
 */
export function openColumn(
  plan: ColumnPlan,
  chunks: readonly ColumnMetaData[],
  memory: PageMemory,
  capacity: number,
): SliceColumn {
  const [first, second] = chunks as [ColumnMetaData, ColumnMetaData?];
  if (plan.kind === 'cell') return new FlatColumn(plan.leaf, first, memory, capacity);
  const open = (leaf: Leaf, chunk: ColumnMetaData): ItemLists =>
    new ItemLists(leaf, chunk, memory, plan.item, capacity);
  return new ListColumn(plan, open(plan.ids, first), second && open(plan.weights!, second));
}

class FlatColumn implements SliceColumn {
  readonly rowBytes?: number;
  readonly #reader: LeafReader;
  readonly #slice: LeafSlice;

  constructor(leaf: Leaf, chunk: ColumnMetaData, memory: PageMemory, capacity: number) {
    this.#reader = new LeafReader(chunk, leaf, memory);
    this.#slice = createLeafSlice(leaf, capacity);
    const { number } = leaf.type;
    if (number !== undefined) this.rowBytes = number.inexact === 'large' ? LARGE_NUMBER_BYTES : NUMBER_BYTES;
  }

  get page(): number {
    return this.#reader.page;
  }

  async append(rows: number): Promise<number> {
    const before = this.#slice.bytes;
    await this.#reader.appendRows(this.#slice, rows);
    return this.#slice.bytes - before;
  }

  take(): Column {
    return this.#slice.take();
  }

  isDone(): Promise<boolean> {
    return this.#reader.isDone();
  }
}

/** Lists of the values of one leaf. */
class ItemLists {
  readonly leaf: Leaf;
  readonly reader: LeafReader;
  readonly slice: LeafSlice;
  readonly offsets: Uint32Array;
  rows = 0;

  constructor(leaf: Leaf, chunk: ColumnMetaData, memory: PageMemory, item: number, capacity: number) {
    this.leaf = leaf;
    this.reader = new LeafReader(chunk, leaf, memory, item);
    this.slice = createLeafSlice(leaf, capacity);
    this.offsets = new Uint32Array(capacity + 1);
  }

  async append(rows: number): Promise<number> {
    const before = this.slice.bytes;
    await this.reader.appendLists(this.slice, rows, this.offsets, this.rows);
    this.rows += rows;
    return OFFSET_BYTES * rows + this.slice.bytes - before;
  }

  take(): Column {
    this.rows = 0;
    return this.slice.take();
  }
}

class ListColumn implements SliceColumn {
  readonly #plan: ColumnPlan;
  readonly #ids: ItemLists;
  readonly #weights: ItemLists | undefined;
  #numbers = new Float64Array(0);

  constructor(plan: ColumnPlan, ids: ItemLists, weights: ItemLists | undefined) {
    this.#plan = plan;
    this.#ids = ids;
    this.#weights = weights;
  }

  get page(): number {
    return Math.max(this.#ids.reader.page, this.#weights?.reader.page ?? 0);
  }

  async append(rows: number): Promise<number> {
    const { rows: first, offsets } = this.#ids;
    const bytes = await this.#ids.append(rows);
    if (this.#weights === undefined) return bytes;
    const weightBytes = await this.#weights.append(rows);
    for (let row = first + 1; row <= first + rows; row++)
      if (offsets[row] !== this.#weights.offsets[row])
        throw new Error('a list has different numbers of ids and weights');
    return bytes + weightBytes;
  }

  take(): Column {
    const { type } = this.#plan;
    const offsets = this.#ids.offsets.subarray(0, this.#ids.rows + 1);
    const items = this.#ids.take();
    const weights = this.#takeWeights();
    const isFloats = weights === undefined && items.numbers?.isWhole === false;
    const lists = { offsets, items, weights };
    if (!isFloats) return { type, lists, text: (row) => itemsJson(items, weights, offsets[row]!, offsets[row + 1]!) };
    const { values } = items.numbers;
    return {
      type,
      lists,
      text: (row) => `[${itemTexts(items, offsets[row]!, offsets[row + 1]!).join(', ')}]`,
      numbersAt: (row) => values.subarray(offsets[row], offsets[row + 1]),
    };
  }

  async isDone(): Promise<boolean> {
    return (await this.#ids.reader.isDone()) && (await (this.#weights?.reader.isDone() ?? true));
  }

  #takeWeights(): Float64Array | undefined {
    if (this.#weights === undefined) return undefined;
    const { size } = this.#weights.slice;
    const { numbers, text } = this.#weights.take();
    if (numbers !== undefined) return numbers.values;
    this.#numbers = grown(this.#numbers, size, Float64Array);
    // A decimal is the number that its text is.
    for (let i = 0; i < size; i++) this.#numbers[i] = text(i) === '' ? NaN : Number(text(i));
    return this.#numbers;
  }
}

function itemTexts(items: Column, begin: number, end: number): string[] {
  return Array.from({ length: end - begin }, (_, i) => items.text(begin + i));
}

/** Formats a list as JSON: `["a","b"]`, or `[["a",0.5],["b",1]]` if a weight is not 1. */
function itemsJson(items: Column, weights: Float64Array | undefined, begin: number, end: number): string {
  const ids = itemTexts(items, begin, end);
  const isWeighted = ids.some((_, i) => weights !== undefined && weights[begin + i] !== 1);
  return JSON.stringify(isWeighted ? ids.map((id, i) => [id, weights![begin + i]]) : ids);
}
