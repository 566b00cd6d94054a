import type { TensorProducts } from '../diagnosis.js';
import { unpackGramian } from '../step-rows.js';
import type { Ref } from './buffers.js';
import type { CallList } from './call-list.js';
import type { Layout } from './layout.js';
import { lowerProducts, rangesByTensor } from './reduce.js';

/** Memory that products are read from. */
interface Doubles {
  readonly doubles: Float64Array;
  wordAt(ref: Ref): number;
}

/** Reads the products between the terms' gradients of each tensor, once they are computed. */
export type ProductsReader = (memory: Doubles) => readonly TensorProducts[];

/** These products: where they are computed, as doubles, and who reads them. */
export interface ProductsOfTensors {
  readonly at: Ref | undefined;
  readonly count: number;
  readonly read: ProductsReader;
}

/** Lists the calls that compute these products, where steps are diagnosed. */
export function lowerTensorProducts(layout: Layout, list: CallList): ProductsOfTensors {
  const { termAreas, buffers } = layout;
  if (termAreas === 0) return NO_PRODUCTS;
  const ranges = rangesByTensor(layout);
  const { at } = lowerProducts(ranges, termAreas, 'of tensors', buffers, list);
  const size = (termAreas * (termAreas + 1)) / 2;
  const read: ProductsReader = ({ doubles, wordAt }) => {
    const begin = wordAt(at) / 2;
    return ranges.map(({ layer, isShared }, r) => ({
      layer,
      isShared,
      gramian: unpackGramian(termAreas, doubles.subarray(begin + r * size, begin + (r + 1) * size)),
    }));
  };
  return { at, count: size * ranges.length, read };
}

/** Parts of a plan without diagnosed steps. */
export const NO_PRODUCTS: ProductsOfTensors = { at: undefined, count: 0, read: () => [] };
