import { grown } from '../../../core/grown.js';
import type { ColumnMetaData } from 'hyparquet';
import { listItems, JSON_ITEM, type Column, type Lists } from '../../../chunks/column.js';
import { itemsJson } from '../../../chunks/items-json.js';
import type { ColumnPlan, Leaf } from './column-plan.js';
import { LeafColumn } from './leaf-column.js';
import type { PageMemory } from './page-memory.js';

/** A column, read some rows of a row group at a time. Its memory is reused for the next rows. */
export class GroupColumn {
  readonly #plan: ColumnPlan;
  /** Values; or ids, and weights if there are any. */
  readonly #leaves: readonly LeafColumn[];
  #numbers = new Float64Array(0);

  /** @param capacity maximum number of rows of a slice */
  constructor(plan: ColumnPlan, memory: PageMemory, capacity: number) {
    this.#plan = plan;
    this.#leaves = plan.leaves.map((leaf) => new LeafColumn(leaf, memory, capacity));
  }

  /**
   * Starts to read a row group; all rows of the one before it were read.
   * @param chunkOf returns the chunk of a leaf
   */
  open(chunkOf: (leaf: Leaf) => ColumnMetaData): void {
    for (const [i, leaf] of this.#plan.leaves.entries()) this.#leaves[i]!.open(chunkOf(leaf));
  }

  get name(): string {
    return this.#plan.name;
  }

  /** Number of the last data page that was read, from 1 on. */
  get page(): number {
    return Math.max(...this.#leaves.map(({ page }) => page));
  }

  /** Appends the next rows and returns about how many bytes they take. */
  append(rows: number): number {
    const [ids, weights] = this.#leaves as readonly [LeafColumn, LeafColumn?];
    const first = ids.rows;
    const bytes = ids.append(rows);
    if (weights === undefined) return bytes;
    const weightBytes = weights.append(rows);
    for (let row = first + 1; row <= first + rows; row++)
      if (ids.offsets[row] !== weights.offsets[row]) throw new Error('a list has different numbers of ids and weights');
    return bytes + weightBytes;
  }

  /** Returns the appended rows, valid until the next `append`. */
  take(): Column {
    const [ids, weightsLeaf] = this.#leaves as readonly [LeafColumn, LeafColumn?];
    const { type, isList } = this.#plan;
    if (!isList) return ids.take();
    const offsets = ids.offsets.subarray(0, ids.rows + 1);
    if (this.#plan.leaves[0]!.inner !== undefined) return takeNested(type, offsets, ids);
    const items = ids.take();
    const weights = weightsLeaf && this.#weightsOf(weightsLeaf.take(), offsets.at(-1)!);
    const lists = { offsets, items, weights };
    const numberType = this.#plan.leaves[0]!.type.number;
    const json = (row: number): string => itemsJson(listItems(lists, row));
    const listAt = (begin: number, end: number) =>
      Array.from({ length: end - begin }, (_, i) => items.value!(begin + i));
    const value = ids.nullable(weights === undefined ? (row) => listAt(offsets[row]!, offsets[row + 1]!) : json);
    if (weights !== undefined || numberType?.isWhole !== false) return { type, lists, text: json, value };
    return {
      type,
      lists,
      value,
      text: (row) => `[${listItems(lists, row).ids.join(', ')}]`,
      numbersAt: (row) => items.numbers!.values.subarray(offsets[row], offsets[row + 1]),
    };
  }

  /** Returns whether all rows were read. */
  isDone(): boolean {
    return this.#leaves.every((leaf) => leaf.isDone());
  }

  #weightsOf({ numbers, text }: Column, size: number): ArrayLike<number> {
    if (numbers !== undefined) return numbers.values;
    this.#numbers = grown(this.#numbers, size);
    // A decimal is the number that its text is.
    for (let i = 0; i < size; i++) this.#numbers[i] = text(i) === '' ? NaN : Number(text(i));
    return this.#numbers;
  }
}

/** Returns lists of items that are lists. */
function takeNested(type: string, offsets: Uint32Array, leaf: LeafColumn): Column {
  const ends = leaf.itemOffsets();
  const values = leaf.take();
  const jsonAt = (item: number): string => {
    const texts = Array.from({ length: ends[item + 1]! - ends[item]! }, (_, i) => values.text(ends[item]! + i));
    return JSON.stringify(texts);
  };
  const text = (item: number): string => (ends[item] === ends[item + 1] ? '' : `${JSON_ITEM}${jsonAt(item)}`);
  const lists: Lists = { offsets, items: { type, text }, areLists: true };
  const rowText = (row: number): string => {
    const items = Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_, i) => jsonAt(offsets[row]! + i));
    return `[${items.join(',')}]`;
  };
  return { type, lists, text: rowText, value: leaf.nullable(rowText) };
}
