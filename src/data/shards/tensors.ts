import type { ElementType, StoredTensor } from '../../io/safetensors.js';
import { KEY_WORDS } from '../../core/row-key.js';
import type { BlockColumn, RowBlock } from '../rows/row-block.js';

/** Element types of the columns with one value a row, or as many in every row. */
export const ELEMENT_TYPES = {
  id: 'U32',
  number: 'F32',
  label: 'F32',
  vector: 'F32',
  key: 'U32',
} as const satisfies Record<Exclude<BlockColumn['kind'], 'bag'>, ElementType>;

/**
 * The tensors of a bag column: of each row where its items begin (and one place more, where the last ends), and of each
 * item id and weight.
 */
export function bagTensors(name: string): { readonly offsets: string; readonly ids: string; readonly weights: string } {
  return { offsets: `${name}.offsets`, ids: `${name}.ids`, weights: `${name}.weights` };
}

/** The tensors of a block's rows; valid as long as the block is left alone. */
export function tensorsOf(block: RowBlock, columns: readonly BlockColumn[]): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  const add = (name: string, data: Uint32Array | Float32Array, shape: readonly number[] = [data.length]): void => {
    if (tensors.has(name)) throw new Error(`two columns would be tensor '${name}'`);
    tensors.set(name, { shape, data });
  };
  for (const { name, kind } of columns) {
    if (kind === 'bag') {
      const { offsets, ids, weights } = block.bags.get(name)!;
      const names = bagTensors(name);
      add(names.offsets, offsets.subarray(0, block.rows + 1));
      add(names.ids, ids.subarray(0, offsets[block.rows]));
      add(names.weights, weights.subarray(0, offsets[block.rows]));
    } else if (kind === 'vector') {
      const { width, data } = block.vectors.get(name)!;
      add(name, data.subarray(0, block.rows * width), [block.rows, width]);
    } else if (kind === 'key') {
      add(name, block.keys.get(name)!.subarray(0, KEY_WORDS * block.rows), [block.rows, KEY_WORDS]);
    } else {
      const data = kind === 'id' ? block.ids.get(name)! : (kind === 'number' ? block.numbers : block.labels).get(name)!;
      add(name, data.subarray(0, block.rows));
    }
  }
  return tensors;
}
