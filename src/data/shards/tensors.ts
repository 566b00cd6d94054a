import {
  hasWords,
  elementsPerRow,
  wordColumn,
  type BlockColumn,
  type WordBlockColumn,
} from '../../chunks/row-block.js';
import { column, type Batch } from '../../core/batch.js';
import type { ElementType, StoredTensor } from '../../io/safetensors.js';

const DTYPES = {
  id: 'U32',
  key: 'U32',
  number: 'F32',
  label: 'F32',
  vector: 'F32',
  double: 'F64',
} as const satisfies Record<WordBlockColumn['kind'], ElementType>;

/**
 * Returns the element type and the number of columns of the tensor of a column with a fixed number of elements per
 * row. A tensor with one element per row has one dimension, and `width` is undefined.
 */
export function tensorShape(each: WordBlockColumn): {
  readonly dtype: ElementType;
  readonly width: number | undefined;
} {
  const isWide = each.kind === 'vector' || each.kind === 'key';
  return { dtype: DTYPES[each.kind], width: isWide ? elementsPerRow(each) : undefined };
}

/** Returns the names of the tensors of a bag column: offsets of rows, ids and weights of items. */
export function bagTensors(name: string): { readonly offsets: string; readonly ids: string; readonly weights: string } {
  return { offsets: `${name}.offsets`, ids: `${name}.ids`, weights: `${name}.weights` };
}

/** Returns the tensors of a block's rows; valid until the block changes. */
export function blockTensors(block: Batch, columns: readonly BlockColumn[]): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  const add = (name: string, data: StoredTensor['data'], shape: readonly number[] = [data.length]): void => {
    if (tensors.has(name)) throw new Error(`two columns would be tensor '${name}'`);
    tensors.set(name, { shape, data });
  };
  for (const each of columns) {
    if (hasWords(each)) {
      const { data, width } = wordColumn(block, each);
      const { width: wide } = tensorShape(each);
      add(each.name, data.subarray(0, width * block.rows), wide === undefined ? undefined : [block.rows, wide]);
      continue;
    }
    const { offsets, ids, weights } = column(block, each.name, 'list');
    const names = bagTensors(each.name);
    add(names.offsets, offsets.subarray(0, block.rows + 1));
    add(names.ids, ids.subarray(0, offsets[block.rows]));
    add(names.weights, weights.subarray(0, offsets[block.rows]));
  }
  return tensors;
}
