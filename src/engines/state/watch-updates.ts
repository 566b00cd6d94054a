import type { Graph } from '../../graph/graph.js';
import type { Layout } from '../compile/layout.js';
import type { TablePlace } from '../compile/tables.js';
import { layerName } from '../diagnosis.js';
import { tableTensor } from '../engine.js';
import type { Image, TableRows } from './image.js';
import type { Store } from './store.js';

/**
 * Copies the weights that a step may update, once their gradients are computed.
 * @returns a function that computes the squared norm of their changes, by layer, over all processes
 */
export function watchUpdates(
  { plan: { graph }, peers, tables }: Layout,
  store: Store,
  { words, wordAt, rowsOf }: Image,
): () => ReadonlyMap<string, number> {
  const before = trainedOf(graph).map((parameter) => ({ parameter, data: store.tensorOf(parameter).data.slice() }));
  const rows = tables.trained.map((table) => {
    // A lazy optimizer updates only rows that have a gradient.
    const numbers = table.update.isLazy
      ? words.slice(wordAt(table.distinct), wordAt(table.distinct) + words[wordAt(table.count)]!)
      : undefined;
    return { table, numbers, data: copyRows(rowsOf(table), table, numbers) };
  });
  return () => {
    const squares = new Map<string, number>();
    const add = (layer: string, from: Float32Array, to: Float32Array): void => {
      let sum = squares.get(layer) ?? 0;
      for (let i = 0; i < from.length; i++) sum += (to[i]! - from[i]!) ** 2;
      squares.set(layer, sum);
    };
    for (const { parameter, data } of before) add(layerName(parameter.name), data, store.tensorOf(parameter).data);
    for (const { table, numbers, data } of rows)
      add(tableTensor(table.name), data, copyRows(rowsOf(table), table, numbers));
    const dealt = tables.trained.filter(({ isSharded }) => isSharded).map(({ name }) => tableTensor(name));
    const sums = Float64Array.from(dealt, (layer) => squares.get(layer)!);
    peers.allReduceSumF64(sums);
    for (const [t, layer] of dealt.entries()) squares.set(layer, sums[t]!);
    return squares;
  };
}

/** The weights of some rows of a table, or of all. */
function copyRows(
  { floats, first }: TableRows,
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
