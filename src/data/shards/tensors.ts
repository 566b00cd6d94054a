import type { ElementType } from '../../safetensors.js';
import type { BlockColumn } from '../row-block.js';

/** Element types of the columns with one value a row. */
export const ELEMENT_TYPES = { id: 'U32', number: 'F32', label: 'F32' } as const satisfies Record<Exclude<BlockColumn['kind'], 'bag'>, ElementType>;

/** The tensors of a bag column: of each row where its items begin (and one place more, where the last ends), and of each item id and weight. */
export function bagTensors(name: string): { readonly offsets: string; readonly ids: string; readonly weights: string } {
  return { offsets: `${name}.offsets`, ids: `${name}.ids`, weights: `${name}.weights` };
}
