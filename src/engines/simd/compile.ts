import type { Graph } from '../../graph/graph.js';
import { slotWords } from '../../optimizers/optimizer.js';
import { optimizers } from '../../optimizers/optimizers.js';
import { sizeOf } from '../../tensor.js';
import type { Plan } from '../engine.js';
import { createArena, WORD } from './arena.js';
import { placeBags } from './bags.js';
import { createCallList, type Call, type CallList } from './call-list.js';
import { lowerPass, type PassPlan } from './passes.js';
import { createPlaces, type Place, type Places } from './places.js';
import { lowerTableUpdates, placeTables } from './tables.js';

/** Below this lies what belongs to the kernels themselves. */
export const BEGIN = 65_536;
/** Words of the constants of an optimizer's step. */
const CONSTANT_WORDS = 32;
/** Rows that are predicted at a time, at the least. */
const MIN_ROWS = 1024;

/** Where all that a plan computes with lies. */
export interface Laid extends PassPlan {
  readonly optimizers: Plan['optimizers'];
  /** Constants of an optimizer's step: CONSTANT_WORDS each. */
  readonly constants: { readonly dense: number; readonly tables: number };
  /** Slots of the dense weights: each lies as the weights do, `gap` bytes from one to the next. */
  readonly denseSlots: { readonly at: number; readonly gap: number; readonly bytes: number };
}

/** Lays a plan out in one memory. */
export function layOut({ graph, layout, optimizers: specs, batchRows = MIN_ROWS }: Plan): Laid {
  const maxRows = Math.max(batchRows, MIN_ROWS);
  const arena = createArena(BEGIN);
  if (arena.take('barrier', 16) !== BEGIN) throw new Error('the barrier comes first');
  const places = createPlaces(arena, graph, maxRows);
  const numSlotWords = slotWords(optimizers.build(specs.dense), places.weightsCount);
  return {
    graph, layout, arena, places,
    optimizers: specs,
    denseSlots: { at: arena.take('dense slots', numSlotWords), gap: places.weightsCount * WORD, bytes: numSlotWords * WORD },
    constants: { dense: arena.take('dense constants', CONSTANT_WORDS), tables: arena.take('table constants', CONSTANT_WORDS) },
    areas: 1,
    tables: placeTables(layout, arena, placeBags(layout, arena, maxRows), optimizers.build(specs.embeddings), maxRows, { stepRows: maxRows, areas: 1 }),
    denseGradients: arena.take('dense gradients', places.weightsCount),
    refused: arena.take('refused', 1),
    running: runningOf(graph, places),
    dropoutKeys: new Map(graph.values.flatMap((value) => (value.op === 'dropout' ? [[value.name, arena.take(`key ${value.name}`, 1)] as const] : []))),
    terms: new Map(graph.terms.map(({ name }) => [name, { weight: arena.take(`weight ${name}`, 1), loss: arena.take(`loss ${name}`, 4) }])),
  };
}

/** Updates all weights by the gradients of a step, unless it is refused. */
export function lowerUpdate({ optimizers: specs, places, tables, constants, denseSlots, denseGradients, refused }: Laid, list: CallList): void {
  lowerTableUpdates(tables, optimizers.partOf(specs.embeddings).kernel, specs.embeddings.lazy, constants.tables, refused, list);
  const { weightsBegin: w, weightsCount: count } = places;
  list.emit(`${optimizers.partOf(specs.dense).kernel}Dense`, { w, s: denseSlots.at, gap: denseSlots.gap, g: denseGradients, count, constants: constants.dense, refused });
}

/** A step in one go, what it would compute and apply, and predictions. */
type ListName = 'train' | 'inspect' | 'predict';

/** A plan in full: calls, and where everything lies that is written before or read after. */
export interface Compiled extends Laid {
  readonly lists: Readonly<Record<ListName, readonly Call[]>>;
  readonly predictions: ReadonlyMap<string, Place>;
}

/** Lays a plan out and lists the calls of a step. */
export function compile(plan: Plan): Compiled {
  const { graph } = plan;
  const laid = layOut(plan);
  const lower = (name: ListName): readonly Call[] => {
    const list = createCallList();
    const pass = lowerPass(laid, name, list);
    pass.forward();
    if (name !== 'predict') pass.back(graph.terms, 0);
    if (name === 'train') lowerUpdate(laid, list);
    return list.calls;
  };
  const lists = { train: lower('train'), inspect: lower('inspect'), predict: lower('predict') };
  const predictions = new Map([...graph.predictions].map(([task, value]) => [task, laid.places.of(value)]));
  for (const value of graph.values) if (value.op === 'input' && value.source.kind === 'label') laid.places.of(value);
  return { ...laid, lists, predictions };
}

/** All running statistics in one piece, with whatever lies between them: address, and numbers. */
function runningOf(graph: Graph, places: Places): { readonly at: number; readonly length: number } {
  const ranges = graph.parameters.filter(({ isTrainable }) => !isTrainable).map((parameter) => ({ at: places.vector(parameter), end: places.vector(parameter) + sizeOf(parameter.shape) * WORD }));
  if (ranges.length === 0) return { at: 0, length: 0 };
  const at = Math.min(...ranges.map((range) => range.at));
  return { at, length: (Math.max(...ranges.map(({ end }) => end)) - at) / WORD };
}
