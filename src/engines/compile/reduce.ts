import { computeReachability } from '../../graph/gradient-reachability.js';
import { layerName, type TensorProducts } from '../diagnosis.js';
import { tableTensor, type Clip } from '../engine.js';
import { shift, WORD, type Buffers, type Ref } from './buffers.js';
import type { CallList } from './call-list.js';
import type { Layout } from './layout.js';

/** Consecutive gradients: of dense weights, or of a table's distinct rows. */
interface Range {
  readonly g: Ref;
  readonly areaWords: number;
  /** Number of floats; of a table the floats of a row. */
  readonly count: number;
  /** The number of a table's distinct rows; 0 for dense weights. */
  readonly countAt: Ref | 0;
  /** Whether each process has rows of its own, so that sums over them are added up over all processes. */
  readonly isSharded: boolean;
}

/** Doubles that a kernel writes for each range, and the host or another kernel sums. */
export interface Sums {
  readonly at: Ref | undefined;
  readonly count: number;
}

/** A worker takes so many floats of dense weights at a time. */
const CHUNK = 1 << 14;

/** The gradients of all tables. */
function tableRanges({ tables }: Layout): readonly Range[] {
  return tables.trained.map(({ gradients: g, areaWords, width: count, count: countAt, isSharded }) => ({
    g,
    areaWords,
    count,
    countAt,
    isSharded,
  }));
}

/** The dense gradients in pieces. */
function denseRanges({ gradients, places }: Layout): readonly Range[] {
  const { at: g, areaWords } = gradients;
  const begins = Array.from({ length: Math.ceil(places.weightsCount / CHUNK) }, (_, i) => i * CHUNK);
  return begins.map((begin) => ({
    g: shift(g, begin),
    areaWords,
    count: Math.min(CHUNK, places.weightsCount - begin),
    countAt: 0,
    isSharded: false,
  }));
}

/** The gradients of one tensor. */
interface TensorRange extends Range, Omit<TensorProducts, 'gramian'> {}

/** The gradients of each parameter that a term reaches, and of each table. */
export function rangesByTensor(layout: Layout): readonly TensorRange[] {
  const {
    gradients: { at, areaWords },
    places,
    tables,
    plan: { graph },
  } = layout;
  const reach = computeReachability(graph);
  const dense = [...reach.parameters].map(([parameter, terms]): TensorRange => {
    const { at: begin, count } = places.range(parameter);
    return {
      layer: layerName(parameter.name),
      isShared: terms.size > 1,
      g: shift(at, begin.offset),
      areaWords,
      count,
      countAt: 0,
      isSharded: false,
    };
  });
  return [
    ...dense,
    ...tableRanges(layout).map((range, t) => ({
      ...range,
      layer: tableTensor(tables.trained[t]!.name),
      isShared: reach.features.size > 1,
    })),
  ];
}

/** Gradients of parameters that several terms reach, and of those that one reaches alone. */
export function rangesByReach(layout: Layout): { readonly shared: readonly Range[]; readonly own: readonly Range[] } {
  const ranges = rangesByTensor(layout);
  return { shared: ranges.filter(({ isShared }) => isShared), own: ranges.filter(({ isShared }) => !isShared) };
}

/** Emits dot products of all pairs of areas, over some ranges, identical in all processes. */
export function lowerProducts(
  ranges: readonly Range[],
  areas: number,
  name: string,
  buffers: Buffers,
  list: CallList,
): { readonly at: Ref; readonly count: number } {
  const size = (areas * (areas + 1)) / 2;
  const at = buffers.take(`products ${name}`, 'result', ranges.length, 2 * size);
  const outOf = (turn: number): Ref => shift(at, 2 * turn * size);
  for (const [turn, { g, areaWords, count, countAt }] of ranges.entries())
    list.emit('products', { g, areaBytes: areaWords * WORD, count, countAt, areas, out: outOf(turn), turn });
  list.together(ranges.flatMap(({ isSharded }, turn) => (isSharded ? [{ at: outOf(turn), count: size }] : [])));
  return { at, count: ranges.length };
}

/** Sums the areas, each times its weight, into the first: weights of shared parameters and of others differ. */
export function lowerCombination(layout: Layout, list: CallList): void {
  const { areas, sharedWeights, ownWeights } = layout;
  const { shared, own } = rangesByReach(layout);
  for (const [ranges, weights] of [
    [shared, sharedWeights],
    [own, ownWeights],
  ] as const)
    for (const { g, areaWords, count, countAt } of ranges)
      list.emit('combine', { g, areaBytes: areaWords * WORD, count, countAt, areas, weights });
  list.separate();
}

/** Computes the norm of the gradient, and scales the gradient to the maximum norm. */
export function lowerClip(layout: Layout, clip: Clip, list: CallList): void {
  const { buffers, constants, norms } = layout;
  const [dense, tables] = [denseRanges(layout), tableRanges(layout)];
  const { at: sums } = lowerProducts([...dense, ...tables], 1, 'norm', buffers, list);
  list.separate();
  const most = clip.norm ?? Infinity;
  const ofDense = { sums, count: dense.length, most, norm: norms };
  const ofTables = { sums: shift(sums, 2 * dense.length), count: tables.length, most, norm: shift(norms, 2) };
  const ofAll = { sums, count: dense.length + tables.length, most, norm: norms };
  list.emit('clipNorm', { ...(clip.separate ? ofDense : ofAll), scale: constants.dense, otherScale: constants.dense });
  list.emit('clipNorm', { ...(clip.separate ? ofTables : ofAll), scale: constants.tables, otherScale: constants.wide });
  list.separate();
}
