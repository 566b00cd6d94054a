import { combineLinears, type CombineOptions } from '../../graph/combine-linears.js';
import { denseOptimizers } from '../../optimizers/optimizers.js';
import type { Plan } from '../engine.js';
import { lowerExchange, lowerRowAverages, lowerWeightAverage } from './average.js';
import { CallList, type Call } from './call-list.js';
import { createLayout, type Layout } from './layout.js';
import { lowerTensorProducts, NO_PRODUCTS, type ProductsOfTensors } from './diagnose.js';
import type { ListName } from './lists.js';
import { lowerPass, type Pass } from './passes.js';
import { shift, WORD, type View } from './buffers.js';
import type { Places } from './places.js';
import { takeRankingBuffers } from './ranking.js';
import { lowerClip, lowerCombination, lowerProducts, rangesByReach, type Sums } from './reduce.js';
import { lowerTableUpdates } from './tables.js';

/** Updates all weights by the gradients of a step, unless it is refused. */
export function lowerUpdate(layout: Layout, list: CallList): void {
  const {
    plan: { step },
    tables,
    refused,
  } = layout;
  if (layout.areas > 1) lowerCombination(layout, list);
  if (step?.clip !== undefined) lowerClip(layout, step.clip, list);
  lowerRowAverages(layout, list);
  lowerTableUpdates(tables, refused, list);
  lowerDenseUpdate(layout, list);
  lowerWeightAverage(layout, list);
}

/**
 * Updates dense weights in one call, or tensor by tensor, the largest first, if the rule reads whole tensors.
 */
function lowerDenseUpdate(
  { plan: { graph, optimizers: specs }, places, constants, denseSlots, gradients, refused }: Layout,
  list: CallList,
): void {
  const part = denseOptimizers.partOf(specs.dense);
  const argumentsOf = ({ at, count }: ReturnType<Places['range']>) => ({
    w: at,
    s: shift(denseSlots.at, at.offset),
    gap: places.weightsCount * WORD,
    g: shift(gradients.at, at.offset),
    count,
    constants: constants.dense,
    refused,
  });
  if (part.unit === 'weight') {
    list.emit(`${part.kernel}Dense`, argumentsOf({ at: places.weights, count: places.weightsCount }));
    return;
  }
  const tensors = graph.parameters
    .filter(({ isTrainable }) => isTrainable)
    .map((parameter) => places.range(parameter))
    .sort((a, b) => b.count - a.count);
  tensors.forEach((tensor, turn) => list.emit(`${part.kernel}Tensor`, { ...argumentsOf(tensor), turn }));
}

/** A compiled plan: its buffers, its lists of calls, and the values that the host reads. */
export interface Compiled extends Layout {
  readonly lists: Readonly<Record<ListName, readonly Call[]>>;
  /** Products between the terms' gradients on what they share. */
  readonly products: Sums;
  readonly productsOfTensors: ProductsOfTensors;
  readonly predictions: ReadonlyMap<string, View>;
}

function lowerList(fill: (list: CallList) => void): readonly Call[] {
  const list = new CallList();
  fill(list);
  return list.calls;
}

/**
 * Lowers the backward pass from each term into its own area, or from all terms into one; adds the gradients of earlier
 * passes of the step.
 */
function lowerBack(
  { graph, passGradients, gradients, places, tables }: Layout,
  pass: Pass,
  areas: number,
  list: CallList,
): void {
  if (areas > 1) for (const [area, term] of graph.terms.entries()) pass.back([term], area);
  else pass.back(graph.terms, 0);
  list.separate();
  if (gradients === passGradients) return;
  const count = areas * places.weightsCount;
  list.emit('accumulate', { g: passGradients.at, total: gradients.at, count, fresh: tables.fresh });
}

/** Lowers the losses of all terms without gradients. */
function lowerLossesAlone({ graph }: Layout, pass: Pass, list: CallList): void {
  pass.forward();
  pass.losses(graph.terms);
  list.flushSums();
}

/**
 * Compiles a plan: creates its buffers, and lists the calls of a step.
 */
export function compile(given: Plan, { folds }: CombineOptions = { folds: true }): Compiled {
  const plan: Plan = { ...given, graph: combineLinears(given.graph, { folds }) };
  const { graph } = plan;
  const layout = createLayout(plan, graph);
  const { buffers, areas, termAreas, places } = layout;
  const hasAreas = areas > 1;
  let products: Sums = { at: undefined, count: 0 };
  let productsOfTensors = NO_PRODUCTS;
  const lists: Compiled['lists'] = {
    train: lowerList((list) => {
      if (hasAreas) return;
      const pass = lowerPass(layout, 'train', list);
      pass.forward();
      pass.back(graph.terms, 0);
      lowerUpdate(layout, list);
    }),
    inspect: lowerList((list) => {
      const pass = lowerPass(layout, 'inspect', list);
      pass.forward();
      pass.back(graph.terms, 0);
    }),
    pass: lowerList((list) => {
      const pass = lowerPass(layout, 'train', list);
      pass.forward();
      lowerBack(layout, pass, areas, list);
    }),
    products: lowerList((list) => {
      if (hasAreas) products = lowerProducts(rangesByReach(layout).shared, areas, 'of terms', buffers, list);
    }),
    update: lowerList((list) => lowerUpdate(layout, list)),
    exchange: lowerList((list) => lowerExchange(layout, list)),
    diagnosis: lowerList((list) => {
      if (termAreas === 0) return;
      const pass = lowerPass({ ...layout, areas: termAreas }, 'inspect', list);
      pass.forward();
      lowerBack(layout, pass, termAreas, list);
    }),
    tensorProducts: lowerList((list) => (productsOfTensors = lowerTensorProducts(layout, list))),
    losses: lowerList((list) => lowerLossesAlone(layout, lowerPass(layout, 'inspect', list), list)),
    predict: lowerList((list) => lowerPass(layout, 'predict', list).forward()),
    evaluate: lowerList((list) => {
      const targets = [...graph.predictions.values(), ...graph.terms.map(({ loss }) => loss)];
      lowerLossesAlone(layout, lowerPass(layout, 'predict', list, targets), list);
    }),
  };
  const predictions = new Map([...graph.predictions].map(([task, value]) => [task, places.of(value).value]));
  for (const value of graph.values) if (value.op === 'input' && value.source.kind === 'label') places.of(value);
  if (plan.isRanked === true) takeRankingBuffers(layout);
  return { ...layout, lists, products, productsOfTensors, predictions };
}
