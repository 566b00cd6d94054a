import { denseOptimizers } from '../../optimizers/optimizers.js';
import type { Plan } from '../engine.js';
import { lowerExchange, lowerRowAverages, lowerWeightAverage } from './average.js';
import { createCallList, type Call, type CallList } from './call-list.js';
import { createLayout, type Layout } from './layout.js';
import { lowerTensorProducts, NO_PRODUCTS, type ProductsOfTensors } from './diagnose.js';
import type { ListName } from './lists.js';
import { lowerPass, type Pass } from './passes.js';
import { shift, WORD, type View } from './buffers.js';
import type { Places } from './places.js';
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
 * Updates dense weights in one go, or tensor by tensor where the rule looks at all of one: the largest first, in turns.
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

/**
 * Compiles a plan: creates its buffers, and lists the calls of a step.
 */
export function compile(plan: Plan): Compiled {
  const { graph } = plan;
  const layout = createLayout(plan, graph);
  const { buffers, areas, termAreas, places, passGradients, gradients, tables } = layout;
  const isApart = areas > 1;
  let products: Sums = { at: undefined, count: 0 };
  let productsOfTensors = NO_PRODUCTS;
  /** Back from each term into an area of its own, or from all into one; and adds what the passes before have left. */
  const lowerBack = (pass: Pass, numAreas: number, list: CallList): void => {
    if (numAreas > 1) graph.terms.forEach((term, area) => pass.back([term], area));
    else pass.back(graph.terms, 0);
    list.separate();
    if (gradients !== passGradients)
      list.emit('accumulate', {
        g: passGradients.at,
        total: gradients.at,
        count: numAreas * places.weightsCount,
        fresh: tables.fresh,
      });
  };
  const lower = (fill: (list: CallList) => void): readonly Call[] => {
    const list = createCallList();
    fill(list);
    return list.calls;
  };
  const lists: Compiled['lists'] = {
    train: lower((list) => {
      if (isApart) return;
      const pass = lowerPass(layout, 'train', list);
      pass.forward();
      pass.back(graph.terms, 0);
      lowerUpdate(layout, list);
    }),
    inspect: lower((list) => {
      const pass = lowerPass(layout, 'inspect', list);
      pass.forward();
      pass.back(graph.terms, 0);
    }),
    pass: lower((list) => {
      const pass = lowerPass(layout, 'train', list);
      pass.forward();
      lowerBack(pass, areas, list);
    }),
    products: lower((list) => {
      if (isApart) products = lowerProducts(rangesByReach(layout).shared, areas, 'of terms', buffers, list);
    }),
    update: lower((list) => lowerUpdate(layout, list)),
    exchange: lower((list) => lowerExchange(layout, list)),
    diagnosis: lower((list) => {
      if (termAreas === 0) return;
      const pass = lowerPass({ ...layout, areas: termAreas }, 'inspect', list);
      pass.forward();
      lowerBack(pass, termAreas, list);
    }),
    tensorProducts: lower((list) => (productsOfTensors = lowerTensorProducts(layout, list))),
    losses: lower((list) => {
      const pass = lowerPass(layout, 'inspect', list);
      pass.forward();
      pass.losses(graph.terms);
      list.flushSums();
    }),
    predict: lower((list) => lowerPass(layout, 'predict', list).forward()),
    evaluate: lower((list) => {
      const pass = lowerPass(layout, 'predict', list, [
        ...graph.predictions.values(),
        ...graph.terms.map(({ loss }) => loss),
      ]);
      pass.forward();
      pass.losses(graph.terms);
      list.flushSums();
    }),
  };
  const predictions = new Map([...graph.predictions].map(([task, value]) => [task, places.of(value).value]));
  for (const value of graph.values) if (value.op === 'input' && value.source.kind === 'label') places.of(value);
  return { ...layout, lists, products, productsOfTensors, predictions };
}
