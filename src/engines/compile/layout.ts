import type { Graph } from '../../graph/graph.js';
import { countSlotElements } from '../../optimizers/optimizer.js';
import { optimizers } from '../../optimizers/optimizers.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../../core/process-group.js';
import { findMaxItems, type TableSpec } from '../../tables/layout.js';
import { countRowWords } from '../../tables/row-formats.js';
import { tableOptimizer, tableTensor, withoutState, type Plan } from '../engine.js';
import { BATCH, domainName, indexOfDomain, type Domain } from '../../graph/domain.js';
import { findLookups, type Lookups } from '../../graph/lookups.js';
import { createBuffers, shift, type Buffers, type Ref } from './buffers.js';
import { takeRowOffsets } from './items.js';
import type { PassPlan } from './passes.js';
import type { Matrix } from './matrix.js';
import { Places } from './places.js';
import { placeTables, type TableUpdate } from './tables.js';

/** Words of the constants of an optimizer's step. */
export const CONSTANT_WORDS = 32;

/** Words of this process's part of a domain. */
const PART_WORDS = 4;
/** Number of weights from which the gradient of a matrix is all-reduced while others are computed. */
const EARLY_WEIGHTS = 2 ** 16;
/** Maximum rows of a table with its spare rows. */
const MAX_STORED_ROWS = 2 ** 31 - 1;
/** Minimum number of rows that are predicted at a time. */
export const MIN_ROWS = 1024;

/** The buffers of a plan, and what its lists are compiled from. */
export interface Layout extends PassPlan {
  readonly plan: Plan;
  readonly peers: ProcessGroup;
  /** Largest batch of a pass (`maxRows` also in predictions) and of a step, over all processes. */
  readonly passRows: number;
  readonly stepRows: number;
  /** Rows of a domain that this process has at most. */
  readonly maxRowsOf: (domain: Domain) => number;
  /** The domains of the program: the batch, then its items that are read one by one and its blocks. */
  readonly domains: readonly Domain[];
  /** CONSTANT_WORDS of an optimizer's step each. `wide` is `tables` if wide tables have no optimizer of their own. */
  readonly constants: { readonly dense: Ref; readonly tables: Ref; readonly wide: Ref };
  /** Optimizer state of dense weights: slot s starts `s · weightsCount` words after the first. */
  readonly denseSlots: { readonly at: Ref; readonly words: number };
  /**
   * Exponential moving average, if there is one: of dense weights, in the order of the weights, and its clock, two
   * doubles: the decay and the steps taken.
   */
  readonly average: { readonly decay: number; readonly weights: Ref; readonly clock: Ref } | undefined;
  /** Gradient areas of a diagnosis, one per term; 0 if no step is diagnosed. */
  readonly termAreas: number;
  /** Dense gradients of a whole step. */
  readonly gradients: PassPlan['passGradients'];
  /** Two doubles: the norm of all gradients, or of dense gradients and of table gradients. */
  readonly norms: Ref;
  /** A weight per term: for what terms share, and for what belongs to one term alone. */
  readonly sharedWeights: Ref;
  readonly ownWeights: Ref;
}

/** Rows and gradient areas of a plan. */
interface Sizes extends Pick<Layout, 'peers' | 'passRows' | 'stepRows' | 'maxRows' | 'areas' | 'termAreas'> {
  /** Rows of this process in a pass, and in a step. */
  readonly ownRows: number;
  readonly ownStepRows: number;
}

function sizesOf({ batchRows = MIN_ROWS, step, peers = SINGLE_PROCESS, graph }: Plan): Sizes {
  const maxRows = Math.max(batchRows, MIN_ROWS);
  const passRows = step?.rows === undefined ? maxRows : batchRows;
  const stepRows = Math.max(step?.rows ?? 0, passRows);
  const ownRows = (rows: number): number => Math.ceil(rows / peers.size);
  return {
    peers,
    passRows,
    stepRows,
    maxRows,
    areas: step?.combinesTerms === true ? graph.terms.length : 1,
    termAreas: step?.isDiagnosed === true ? graph.terms.length : 0,
    ownRows: ownRows(maxRows),
    ownStepRows: Math.ceil(stepRows / passRows) * ownRows(passRows),
  };
}

/**
 * Creates the buffers of a plan.
 * @param graph the graph that is computed, if not the plan's
 */
export function createLayout(plan: Plan, graph: Graph = plan.graph): Layout {
  const { layout, optimizers: specs, step, batchNorm } = plan;
  const sizes = sizesOf(plan);
  const { peers, areas, passRows, stepRows, ownRows } = sizes;
  const room = Math.max(areas, sizes.termAreas);
  const buffers = createBuffers();
  const lookups = findLookups(graph);
  const domains = listDomains(graph, lookups);
  for (const domain of domains) if (domain.kind === 'blocks') takeRowOffsets(buffers, domain, sizes.maxRows);
  const part = peers.size === 1 ? undefined : buffers.take('part of the rows', 'settings', domains.length, PART_WORDS);
  const places = new Places(buffers, graph, lookups);
  const constants = takeConstants(buffers, specs.wide !== undefined);
  const gradientsOf = (name: string): PassPlan['passGradients'] => ({
    at: buffers.take(name, 'weight gradients', room, places.weightsCount),
    areaWords: places.weightsCount,
  });
  const passGradients = gradientsOf('gradients');
  const slotWords = countSlotElements(optimizers.build(specs.dense), places.weightsCount);
  return {
    ...sizes,
    plan,
    graph,
    lookups,
    buffers,
    places,
    passGradients,
    part,
    domains,
    maxRowsOf: (domain) => (domain.kind === 'shared' ? domain.count : ownRows * maxItemsOf(plan, domain)),
    gradients: stepRows > passRows ? gradientsOf('gradients of a step') : passGradients,
    denseSlots: { at: buffers.take('dense optimizer state', 'optimizer', 1, slotWords), words: slotWords },
    constants,
    tables: placeTables(layout, graph, lookups, buffers, (table) => updateOf(table, plan, constants), {
      ...sizes,
      areas: room,
      isAveraged: step?.average !== undefined,
      spareRowsOf: (table) => countSpareRows(plan, table),
      tableFormat: plan.tableFormat ?? 'f32',
      dealing: plan,
    }),
    average: step?.average && {
      decay: step.average.decay,
      weights: buffers.take('average', 'average', 1, places.weightsCount),
      clock: buffers.take('clock', 'settings', 1, 4),
    },
    norms: buffers.take('norms', 'result', 1, 4),
    sharedWeights: buffers.take('shared weights', 'settings', 1, areas),
    ownWeights: buffers.take('own weights', 'settings', 1, areas),
    refused: buffers.take('refused', 'scratch', 1),
    early: peers.size > 1 && areas === 1 && stepRows === passRows ? findEarlyMatrix(places) : undefined,
    precision: step?.precision ?? 'f32',
    predictionPrecision: plan.predictionPrecision ?? 'f32',
    allRowsOf: (domain) =>
      part === undefined || batchNorm === 'local'
        ? undefined
        : shift(part, PART_WORDS * indexOfDomain(domains, domain)),
    dropoutKeys: takeDropoutKeys(buffers, graph),
    terms: takeTerms(buffers, graph),
  };
}

/** Counts the rows of a shared table after the rows of the layout; kernels have signed numbers of rows. */
function countSpareRows({ sharedTables, tableFormat = 'f32' }: Plan, { name, rows, width }: TableSpec): number {
  const elements = sharedTables?.get(tableTensor(name))?.length ?? 0;
  return Math.max(0, Math.min(Math.floor(elements / countRowWords(tableFormat, width)), MAX_STORED_ROWS) - rows);
}

/** Returns how the rows of a table are updated. */
function updateOf(table: TableSpec, { optimizers: specs }: Plan, constants: Layout['constants']): TableUpdate {
  const spec = tableOptimizer(specs, table);
  return {
    rule: optimizers.partOf(spec).kernel,
    optimizer: withoutState(optimizers.build(spec), table),
    isLazy: spec.lazy,
    constants: table.isWide === true ? constants.wide : constants.tables,
  };
}

/** Returns the maximum number of rows that a domain has per row of the batch. */
function maxItemsOf({ layout }: Plan, domain: Domain): number {
  if (domain.kind === 'items') return findMaxItems(layout, domain.field)!;
  if (domain.kind === 'selected') return Math.min(domain.count, findMaxItems(layout, domain.field)!);
  return domain.kind === 'batch' ? 1 : domain.count;
}

/** Returns the batch, then its items that are read one by one and its blocks. */
export function listDomains({ values }: Graph, { unread }: Lookups): readonly Domain[] {
  const read = values.filter((value) => !unread.has(value)).map(({ rows }) => [domainName(rows), rows] as const);
  return [...new Map([[domainName(BATCH), BATCH], ...read]).values()];
}

function takeDropoutKeys(buffers: Buffers, { values }: Graph): Layout['dropoutKeys'] {
  return new Map(
    values.flatMap((value) =>
      value.op === 'dropout' ? [[value.name, buffers.take(`key ${value.name}`, 'settings', 1)] as const] : [],
    ),
  );
}

function takeTerms(buffers: Buffers, { terms }: Graph): Layout['terms'] {
  return new Map(
    terms.map(({ name }) => [
      name,
      {
        weight: buffers.take(`weight ${name}`, 'settings', 1, 4),
        loss: buffers.take(`loss ${name}`, 'result', 1, 4),
      },
    ]),
  );
}

function takeConstants(buffers: Buffers, hasWide: boolean): Layout['constants'] {
  const take = (name: string): Ref => buffers.take(`${name} constants`, 'settings', 1, CONSTANT_WORDS);
  const tables = take('table');
  return { dense: take('dense'), tables, wide: hasWide ? take('wide') : tables };
}

/**
 * Returns the first matrix if it is large. It usually reads the input, is the largest, and its gradient is computed
 * last, when no sums of batch norm follow.
 */
function findEarlyMatrix({ groups: [first] }: Places): Matrix | undefined {
  return first === undefined || first.matrix.inputs * first.matrix.panels * 8 < EARLY_WEIGHTS
    ? undefined
    : first.matrix;
}
