import { computeReachability } from '../../graph/gradient-reachability.js';
import { layerOf, type TensorProducts } from '../diagnosis.js';
import { tableTensor, type Clip } from '../engine.js';
import { WORD, type Arena } from './arena.js';
import type { CallList } from './call-list.js';
import type { Laid } from './layout.js';

/** Some gradients that lie one after the other: of dense weights, or of a table's distinct rows. */
interface Range {
  readonly g: number;
  readonly areaBytes: number;
  /** Floats; of a table those of a row. */
  readonly count: number;
  /** Where the number of a table's distinct rows lies; 0 for dense weights. */
  readonly countAt: number;
  /** Whether each process has rows of its own, so that sums over them are added up over all processes. */
  readonly isDealt: boolean;
}

/** Doubles that a kernel writes for each of some ranges, and the host or another kernel adds up. */
export interface Sums {
  readonly at: number;
  readonly count: number;
}

/** A worker takes so many floats of dense weights at a time. */
const CHUNK = 1 << 14;

/** The gradients of all tables. */
function tableRanges({ tables }: Laid): readonly Range[] {
  return tables.all.map(({ gradients: g, areaBytes, width: count, count: countAt, isDealt }) => ({
    g,
    areaBytes,
    count,
    countAt,
    isDealt,
  }));
}

/** The dense gradients in pieces. */
function denseRanges({ gradients, places }: Laid): readonly Range[] {
  const { at: g, areaBytes } = gradients;
  const begins = Array.from({ length: Math.ceil(places.weightsCount / CHUNK) }, (_, i) => i * CHUNK);
  return begins.map((begin) => ({
    g: g + begin * WORD,
    areaBytes,
    count: Math.min(CHUNK, places.weightsCount - begin),
    countAt: 0,
    isDealt: false,
  }));
}

/** The gradients of one tensor. */
interface TensorRange extends Range, Omit<TensorProducts, 'gramian'> {}

/** The gradients of each parameter that a term reaches, and of each table. */
export function rangesByTensor(laid: Laid): readonly TensorRange[] {
  const {
    gradients: { at, areaBytes },
    places,
    tables,
    plan: { graph },
  } = laid;
  const reach = computeReachability(graph);
  const dense = [...reach.parameters].map(([parameter, terms]): TensorRange => {
    const { at: begin, count } = places.range(parameter);
    return {
      layer: layerOf(parameter.name),
      isShared: terms.size > 1,
      g: at + begin - places.weightsBegin,
      areaBytes,
      count,
      countAt: 0,
      isDealt: false,
    };
  });
  return [
    ...dense,
    ...tableRanges(laid).map((range, t) => ({
      ...range,
      layer: tableTensor(tables.all[t]!.name),
      isShared: reach.features.size > 1,
    })),
  ];
}

/** Gradients of parameters that several terms reach, and of those that one reaches alone. */
export function rangesByReach(laid: Laid): { readonly shared: readonly Range[]; readonly own: readonly Range[] } {
  const ranges = rangesByTensor(laid);
  return { shared: ranges.filter(({ isShared }) => isShared), own: ranges.filter(({ isShared }) => !isShared) };
}

/** Products of all areas with each other, over some ranges: the same in all processes. */
export function lowerProducts(
  ranges: readonly Range[],
  areas: number,
  name: string,
  arena: Arena,
  list: CallList,
): Sums {
  const size = (areas * (areas + 1)) / 2;
  const at = arena.take(`products ${name}`, 2 * size * ranges.length);
  const outOf = (turn: number): number => at + turn * size * 8;
  ranges.forEach(({ g, areaBytes, count, countAt }, turn) =>
    list.emit('products', { g, areaBytes, count, countAt, areas, out: outOf(turn), turn }),
  );
  list.together(ranges.flatMap(({ isDealt }, turn) => (isDealt ? [{ at: outOf(turn), count: size }] : [])));
  return { at, count: ranges.length };
}

/**
 * Adds up what the areas hold, each times its weight, into the first: where terms share by `weights`, elsewhere by
 * `ownWeights`.
 */
export function lowerCombination(laid: Laid, weights: number, ownWeights: number, list: CallList): void {
  const { shared, own } = rangesByReach(laid);
  for (const { g, areaBytes, count, countAt } of shared)
    list.emit('combine', { g, areaBytes, count, countAt, areas: laid.areas, weights });
  for (const { g, areaBytes, count, countAt } of own)
    list.emit('combine', { g, areaBytes, count, countAt, areas: laid.areas, weights: ownWeights });
  list.separate();
}

/** Measures the norm of the gradient, and brings it down to what it may be. */
export function lowerClip(laid: Laid, clip: Clip, list: CallList): void {
  const { arena, constants, norms } = laid;
  const [dense, tables] = [denseRanges(laid), tableRanges(laid)];
  const { at: sums } = lowerProducts([...dense, ...tables], 1, 'norm', arena, list);
  list.separate();
  const most = clip.norm ?? Infinity;
  const ofDense = { sums, count: dense.length, most, norm: norms };
  const ofTables = { sums: sums + dense.length * 8, count: tables.length, most, norm: norms + 8 };
  const ofAll = { sums, count: dense.length + tables.length, most, norm: norms };
  list.emit('clipNorm', { ...(clip.separate ? ofDense : ofAll), scale: constants.dense, otherScale: constants.dense });
  list.emit('clipNorm', { ...(clip.separate ? ofTables : ofAll), scale: constants.tables, otherScale: constants.wide });
  list.separate();
}
