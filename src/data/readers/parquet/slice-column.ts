import type { ColumnMetaData } from 'hyparquet';
import type { Column } from '../../../chunks/column.js';
import type { ColumnPlan, Leaf } from './column-plan.js';
import { LeafColumn, type SliceColumn } from './leaf-column.js';
import { grown } from './leaf-slice.js';
import type { PageMemory } from './page-memory.js';

/**
 * Opens a column of a row group.
 * @param chunks the chunk of each leaf of the plan
 * @param capacity maximum number of rows of a slice
 */
export function openColumn(
  plan: ColumnPlan,
  [first, second]: readonly ColumnMetaData[],
  memory: PageMemory,
  capacity: number,
): SliceColumn {
  if (plan.kind === 'cell') return new LeafColumn(first!, plan.leaf, memory, capacity);
  const open = (leaf: Leaf, chunk: ColumnMetaData): LeafColumn =>
    new LeafColumn(chunk, leaf, memory, capacity, plan.item);
  return new ListColumn(plan.type, open(plan.ids, first!), second && open(plan.weights!, second));
}

class ListColumn implements SliceColumn {
  readonly #type: string;
  readonly #ids: LeafColumn;
  readonly #weights: LeafColumn | undefined;
  #numbers = new Float64Array(0);

  constructor(type: string, ids: LeafColumn, weights: LeafColumn | undefined) {
    this.#type = type;
    this.#ids = ids;
    this.#weights = weights;
  }

  get page(): number {
    return Math.max(this.#ids.page, this.#weights?.page ?? 0);
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
    const type = this.#type;
    const offsets = this.#ids.offsets.subarray(0, this.#ids.rows + 1);
    const items = this.#ids.take();
    const weights = this.#takeWeights(offsets.at(-1)!);
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
    return (await this.#ids.isDone()) && (await (this.#weights?.isDone() ?? true));
  }

  #takeWeights(size: number): ArrayLike<number> | undefined {
    if (this.#weights === undefined) return undefined;
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
function itemsJson(items: Column, weights: ArrayLike<number> | undefined, begin: number, end: number): string {
  const ids = itemTexts(items, begin, end);
  const isWeighted = ids.some((_, i) => weights !== undefined && weights[begin + i] !== 1);
  return JSON.stringify(isWeighted ? ids.map((id, i) => [id, weights![begin + i]]) : ids);
}
