import type { Graph } from '../../graph/graph.js';
import { layerOf, type TensorProducts } from '../diagnosis.js';
import { tableTensor } from '../engine.js';
import { gramianOf } from '../step-rows.js';
import { rowsAt, type Apart } from '../cpu/apart.js';
import { WORD } from './arena.js';
import type { CallList } from './call-list.js';
import type { Laid } from './layout.js';
import { lowerProducts, rangesByTensor } from './reduce.js';
import type { Store } from '../state/store.js';
import type { TablePlace } from './tables.js';

/** Reads the products between the terms' gradients of each tensor, once they are computed. */
export type ProductsReader = (doubles: Float64Array) => readonly TensorProducts[];

/** These products: where they are computed, as doubles, and who reads them. */
export interface ProductsOfTensors {
  readonly at: number;
  readonly count: number;
  readonly read: ProductsReader;
}

/** Lists the calls that compute these products, where steps are diagnosed. */
export function lowerTensorProducts(laid: Laid, list: CallList): ProductsOfTensors {
  const { termAreas, arena } = laid;
  if (termAreas === 0) return NO_PRODUCTS;
  const ranges = rangesByTensor(laid);
  const { at } = lowerProducts(ranges, termAreas, 'of tensors', arena, list);
  const size = (termAreas * (termAreas + 1)) / 2;
  const read: ProductsReader = (doubles) =>
    ranges.map(({ layer, isShared }, r) => ({
      layer,
      isShared,
      gramian: gramianOf(termAreas, doubles.subarray(at / 8 + r * size, at / 8 + (r + 1) * size)),
    }));
  return { at, count: size * ranges.length, read };
}

/** Those of a plan whose steps are not diagnosed. */
export const NO_PRODUCTS: ProductsOfTensors = { at: 0, count: 0, read: () => [] };

/**
 * Keeps the weights that a step may move, whose gradients are there; what is returned gives the squares of their
 * changes, by layer and
 * over all processes.
 */
export function watchUpdates(
  { plan: { graph }, peers, tables }: Laid,
  store: Store,
  memory: { readonly buffer: ArrayBufferLike },
  apart: readonly Apart[] = [],
): () => ReadonlyMap<string, number> {
  const floats = new Float32Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const before = trainedOf(graph).map((parameter) => ({ parameter, data: store.tensorOf(parameter, 0).data.slice() }));
  const rows = tables.all.map((table) => {
    // A lazy optimizer moves the rows that have a gradient and no others.
    const numbers = table.update.isLazy
      ? words.slice(table.distinct / WORD, table.distinct / WORD + words[table.count / WORD]!)
      : undefined;
    return { table, numbers, data: copyRows(rowsAt(table.at, floats, apart), table, numbers) };
  });
  return () => {
    const squares = new Map<string, number>();
    const add = (layer: string, from: Float32Array, to: Float32Array): void => {
      let sum = squares.get(layer) ?? 0;
      for (let i = 0; i < from.length; i++) sum += (to[i]! - from[i]!) ** 2;
      squares.set(layer, sum);
    };
    for (const { parameter, data } of before) add(layerOf(parameter.name), data, store.tensorOf(parameter, 0).data);
    for (const { table, numbers, data } of rows)
      add(tableTensor(table.name), data, copyRows(rowsAt(table.at, floats, apart), table, numbers));
    const dealt = tables.all.filter(({ isDealt }) => isDealt).map(({ name }) => tableTensor(name));
    const sums = Float64Array.from(dealt, (layer) => squares.get(layer)!);
    peers.allReduceSumF64(sums);
    for (const [t, layer] of dealt.entries()) squares.set(layer, sums[t]!);
    return squares;
  };
}

/** The weights of some rows of a table, or of all. */
function copyRows(
  { floats, first }: ReturnType<typeof rowsAt>,
  { stride, width, rows }: TablePlace,
  numbers: Uint32Array | undefined,
): Float32Array {
  const count = numbers?.length ?? rows;
  const copy = new Float32Array(count * width);
  for (let r = 0; r < count; r++) {
    const from = first + (numbers?.[r] ?? r) * stride;
    copy.set(floats.subarray(from, from + width), r * width);
  }
  return copy;
}

const trainedOf = ({ parameters }: Graph): Graph['parameters'] => parameters.filter(({ isTrainable }) => isTrainable);
