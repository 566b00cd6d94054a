import type { Graph } from '../../graph/graph.js';
import { countSlotElements } from '../../optimizers/optimizer.js';
import { optimizers } from '../../optimizers/optimizers.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../../core/process-group.js';
import { countElements } from '../../core/tensor.js';
import type { TableSpec } from '../../tables/layout.js';
import { tableOptimizer, type Plan } from '../engine.js';
import { CONSTANT_WORDS, createArena, WORD } from './arena.js';
import { placeBags } from '../cpu/bags.js';
import type { PassPlan } from './passes.js';
import { createPlaces, type Places } from './places.js';
import { placeTables, type TableUpdate } from './tables.js';

/** Below this lies what belongs to the kernels themselves. */
export const BEGIN = 65_536;
/**
 * Bytes of tables that lie in one memory of WebAssembly; larger ones have memory of their own. It leaves as much again
 * to the rest and to bags.
 */
export const TABLE_BYTES = 2 ** 31;
/**
 * Weights from which on a matrix's gradient is worth an exchange of its own: less is over before much else is computed.
 */
const EARLY_WEIGHTS = 2 ** 16;
/** Rows that are predicted at a time, at the least. */
const MIN_ROWS = 1024;

/** Where all that a plan computes with lies. */
export interface Laid extends PassPlan {
  readonly plan: Plan;
  readonly peers: ProcessGroup;
  /**
   * Rows that pass at once (`maxRows` also in predictions), and rows of a step: of all processes, which have a part of
   * each.
   */
  readonly passRows: number;
  readonly stepRows: number;
  /**
   * Constants of an optimizer's step: CONSTANT_WORDS each. Those of wide tables are those of all tables where they have
   * no optimizer of their own.
   */
  readonly constants: { readonly dense: number; readonly tables: number; readonly wide: number };
  /** Slots of the dense weights: each lies as the weights do, `gap` bytes from one to the next. */
  readonly denseSlots: { readonly at: number; readonly gap: number; readonly bytes: number };
  /**
   * Where an average is kept: that of the dense weights lies as they do; its clock is two doubles, the decay and the
   * steps taken.
   */
  readonly average: { readonly decay: number; readonly weights: number; readonly clock: number } | undefined;
  /** Areas of a diagnosis, one a term; 0 where no step has one. */
  readonly termAreas: number;
  /** Dense gradients of a whole step. */
  readonly gradients: PassPlan['passGradients'];
  /** Two doubles: the norm of all gradients, or of the dense ones and of those of tables. */
  readonly norms: number;
  /** A weight a term: for what terms share, and for what belongs to one alone. */
  readonly sharedWeights: number;
  readonly ownWeights: number;
}

/**
 * Lays a plan out in one memory.
 * @param graph what is computed there, if not all of the plan's
 * @param tableBytes the most that tables may take of it; those beyond lie apart
 */
export function layOut(plan: Plan, graph: Graph = plan.graph, tableBytes = Infinity): Laid {
  const { layout, optimizers: specs, batchRows = MIN_ROWS, step, peers = SINGLE_PROCESS, batchNorm } = plan;
  const maxRows = Math.max(batchRows, MIN_ROWS);
  const passRows = step?.rows === undefined ? maxRows : batchRows;
  const stepRows = Math.max(step?.rows ?? 0, passRows);
  const areas = step?.combinesTerms === true ? plan.graph.terms.length : 1;
  const termAreas = step?.isDiagnosed === true ? plan.graph.terms.length : 0;
  const room = Math.max(areas, termAreas);
  const arena = createArena(BEGIN);
  if (arena.take('barrier', 16) !== BEGIN) throw new Error('the barrier comes first');
  const part = peers.size === 1 ? 0 : arena.take('part of the rows', 4);
  const ownRows = (rows: number): number => Math.ceil(rows / peers.size);
  const places = createPlaces(arena, graph, ownRows(maxRows));
  const numSlotWords = countSlotElements(optimizers.build(specs.dense), places.weightsCount);
  const areaBytes = places.weightsCount * WORD;
  const tableConstants = arena.take('table constants', CONSTANT_WORDS);
  const constants = {
    dense: arena.take('dense constants', CONSTANT_WORDS),
    tables: tableConstants,
    wide: specs.wide === undefined ? tableConstants : arena.take('wide constants', CONSTANT_WORDS),
  };
  const updateOf = (table: TableSpec): TableUpdate => {
    const spec = tableOptimizer(specs, table);
    return {
      rule: optimizers.partOf(spec).kernel,
      optimizer: optimizers.build(spec),
      isLazy: spec.lazy,
      constants: table.isWide === true ? constants.wide : constants.tables,
    };
  };
  const gradientsOf = (name: string): PassPlan['passGradients'] => ({
    at: arena.take(name, room * places.weightsCount),
    areaBytes,
  });
  const passGradients = gradientsOf('dense gradients');
  const isOnePass = areas === 1 && stepRows === passRows;
  return {
    plan,
    peers,
    graph,
    layout,
    arena,
    places,
    areas,
    termAreas,
    passRows,
    maxRows,
    stepRows,
    passGradients,
    part,
    gradients: stepRows > passRows ? gradientsOf('dense gradients of a step') : passGradients,
    denseSlots: {
      at: arena.take('dense slots', numSlotWords),
      gap: places.weightsCount * WORD,
      bytes: numSlotWords * WORD,
    },
    constants,
    tables: placeTables(layout, arena, placeBags(layout, arena, places.maxRows), updateOf, places.maxRows, {
      stepRows,
      areas: room,
      isAveraged: step?.average !== undefined,
      tableBytes,
      peers,
      dealing: plan,
      ownRows: Math.ceil(stepRows / passRows) * ownRows(passRows),
    }),
    average: step?.average && {
      decay: step.average.decay,
      weights: arena.take('average', places.weightsCount),
      clock: arena.take('clock', 4),
    },
    norms: arena.take('norms', 4),
    sharedWeights: arena.take('shared weights', areas),
    ownWeights: arena.take('own weights', areas),
    refused: arena.take('refused', 1),
    early: peers.size > 1 && isOnePass ? earlyOf(places) : undefined,
    precision: step?.precision ?? 'f32',
    allRows: part === 0 || batchNorm === 'local' ? undefined : part,
    running: runningOf(graph, places),
    dropoutKeys: new Map(
      graph.values.flatMap((value) =>
        value.op === 'dropout' ? [[value.name, arena.take(`key ${value.name}`, 1)] as const] : [],
      ),
    ),
    terms: new Map(
      graph.terms.map(({ name }) => [
        name,
        { weight: arena.take(`weight ${name}`, 4), loss: arena.take(`loss ${name}`, 4) },
      ]),
    ),
  };
}

/**
 * The first matrix, if it is large. What reads a model's input is its largest as a rule, and last on the way back, when
 * no sums of batch norm are to come.
 */
function earlyOf({ groups: [first] }: Places): PassPlan['early'] {
  if (first === undefined) return undefined;
  const { at, inputs, panels } = first.matrix;
  const count = inputs * panels * 8;
  return count < EARLY_WEIGHTS ? undefined : { at, count };
}

/** All running statistics in one piece, with whatever lies between them: address, and numbers. */
function runningOf(graph: Graph, places: Places): { readonly at: number; readonly length: number } {
  const ranges = graph.parameters
    .filter(({ isTrainable }) => !isTrainable)
    .map((parameter) => ({
      at: places.vector(parameter),
      end: places.vector(parameter) + countElements(parameter.shape) * WORD,
    }));
  if (ranges.length === 0) return { at: 0, length: 0 };
  const at = Math.min(...ranges.map((range) => range.at));
  return { at, length: (Math.max(...ranges.map(({ end }) => end)) - at) / WORD };
}
