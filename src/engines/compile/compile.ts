import { denseOptimizers } from '../../optimizers/optimizers.js';
import type { Plan } from '../engine.js';
import { lowerExchange, lowerRowAverages, lowerWeightAverage } from './average.js';
import { createCallList, type Call, type CallList } from './call-list.js';
import { layOut, type Laid } from './layout.js';
import { lowerTensorProducts, NO_PRODUCTS, type ProductsOfTensors } from './diagnose.js';
import { lowerPass, type Pass } from './passes.js';
import type { Place, Places } from './places.js';
import { takeStage } from '../cpu/row-stage.js';
import { lowerClip, lowerCombination, lowerProducts, rangesByReach, type Sums } from './reduce.js';
import { lowerTableUpdates } from './tables.js';

/** Updates all weights by the gradients of a step, unless it is refused. */
export function lowerUpdate(laid: Laid, list: CallList): void {
  const {
    plan: { step },
    tables,
    refused,
  } = laid;
  if (laid.areas > 1) lowerCombination(laid, laid.sharedWeights, laid.ownWeights, list);
  if (step?.clip !== undefined) lowerClip(laid, step.clip, list);
  lowerRowAverages(laid, list);
  lowerTableUpdates(tables, refused, list);
  lowerDenseUpdate(laid, list);
  lowerWeightAverage(laid, list);
}

/**
 * Updates dense weights in one go, or tensor by tensor where the rule looks at all of one: the largest first, in turns.
 */
function lowerDenseUpdate(
  { plan: { graph, optimizers: specs }, places, constants, denseSlots, gradients, refused }: Laid,
  list: CallList,
): void {
  const part = denseOptimizers.partOf(specs.dense);
  const argumentsOf = ({ at, count }: ReturnType<Places['range']>) => {
    const shift = at - places.weightsBegin;
    return {
      w: at,
      s: denseSlots.at + shift,
      gap: denseSlots.gap,
      g: gradients.at + shift,
      count,
      constants: constants.dense,
      refused,
    };
  };
  if (part.unit === 'weight') {
    list.emit(`${part.kernel}Dense`, argumentsOf({ at: places.weightsBegin, count: places.weightsCount }));
    return;
  }
  const tensors = graph.parameters
    .filter(({ isTrainable }) => isTrainable)
    .map((parameter) => places.range(parameter))
    .sort((a, b) => b.count - a.count);
  tensors.forEach((tensor, turn) => list.emit(`${part.kernel}Tensor`, { ...argumentsOf(tensor), turn }));
}

/**
 * A step in one go; what it would compute and apply; a step's passes one by one, then what their gradients have in
 * common, then
 * the update; the exchange of weights and average; losses alone, as in training; and predictions, also with losses. A
 * diagnosis
 * has a pass back a term, and the products between their gradients tensor by tensor.
 */
export type ListName =
  | 'train'
  | 'inspect'
  | 'losses'
  | 'pass'
  | 'products'
  | 'update'
  | 'exchange'
  | 'predict'
  | 'evaluate'
  | 'diagnosis'
  | 'tensorProducts';

/** A plan in full: calls, and where everything lies that is written before or read after. */
export interface Compiled extends Laid {
  readonly lists: Readonly<Record<ListName, readonly Call[]>>;
  /** Products between the terms' gradients on what they share. */
  readonly products: Sums;
  readonly productsOfTensors: ProductsOfTensors;
  readonly predictions: ReadonlyMap<string, Place>;
}

/**
 * Lays a plan out and lists the calls of a step.
 * @param tableBytes the most that tables may take of the one memory; those beyond lie apart
 */
export function compile(plan: Plan, tableBytes?: number): Compiled {
  const { graph } = plan;
  const laid = layOut(plan, graph, tableBytes);
  const { arena, areas, termAreas, places, passGradients, gradients, tables } = laid;
  takeStage(laid);
  const isApart = areas > 1;
  let products: Sums = { at: 0, count: 0 };
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
      const pass = lowerPass(laid, 'train', list);
      pass.forward();
      pass.back(graph.terms, 0);
      lowerUpdate(laid, list);
    }),
    inspect: lower((list) => {
      const pass = lowerPass(laid, 'inspect', list);
      pass.forward();
      pass.back(graph.terms, 0);
    }),
    pass: lower((list) => {
      const pass = lowerPass(laid, 'train', list);
      pass.forward();
      lowerBack(pass, areas, list);
    }),
    products: lower((list) => {
      if (isApart) products = lowerProducts(rangesByReach(laid).shared, areas, 'of terms', arena, list);
    }),
    update: lower((list) => lowerUpdate(laid, list)),
    exchange: lower((list) => lowerExchange(laid, list)),
    diagnosis: lower((list) => {
      if (termAreas === 0) return;
      const pass = lowerPass({ ...laid, areas: termAreas }, 'inspect', list);
      pass.forward();
      lowerBack(pass, termAreas, list);
    }),
    tensorProducts: lower((list) => (productsOfTensors = lowerTensorProducts(laid, list))),
    losses: lower((list) => {
      const pass = lowerPass(laid, 'inspect', list);
      pass.forward();
      pass.losses(graph.terms);
      list.flushSums();
    }),
    predict: lower((list) => lowerPass(laid, 'predict', list).forward()),
    evaluate: lower((list) => {
      const pass = lowerPass(laid, 'predict', list, [
        ...graph.predictions.values(),
        ...graph.terms.map(({ loss }) => loss),
      ]);
      pass.forward();
      pass.losses(graph.terms);
      list.flushSums();
    }),
  };
  const predictions = new Map([...graph.predictions].map(([task, value]) => [task, places.of(value)]));
  for (const value of graph.values) if (value.op === 'input' && value.source.kind === 'label') places.of(value);
  return { ...laid, lists, products, productsOfTensors, predictions };
}
