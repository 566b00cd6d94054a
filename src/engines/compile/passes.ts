import { findCanceledBiases, listRequired, type Graph, type Term } from '../../graph/graph.js';
import { describeOperation } from '../../graph/descriptors.js';
import { isLoss, type LossValue, type Value } from '../../graph/operations.js';
import { BATCH, type Domain } from '../../graph/domain.js';
import { computeReachability } from '../../graph/gradient-reachability.js';
import { createView, shift, type Buffers, type Ref, type View } from './buffers.js';
import type { Lookups } from '../../graph/lookups.js';
import { lowerCombinations, lowerCombinedGradients } from './combined.js';
import type { CallList } from './call-list.js';
import { fusedCode } from './fusion.js';
import { takeRowOffsets } from './items.js';
import { lowerClearRows, lowerFindRows, lowerGather } from './gather.js';
import { lowerLosses } from './operations/losses.js';
import type { Lowering, Mode, Turn } from './lowering.js';
import { LOWERED } from './operations/operations.js';
import { BY_COLUMNS, BY_ROWS, inPhases } from './phases.js';
import type { Precision } from '../precision.js';
import type { Matrix } from './matrix.js';
import type { Place, Places } from './places.js';
import { PRODUCTS } from './products.js';
import { lowerLookups, type TablePlaces } from './tables.js';
import type { Lookup } from './lookups.js';

/** A value that the forward pass computes. */
export type Computed = Exclude<Value, LossValue>;

/** An entry of the table, whatever its operation. */
interface Lowered {
  forward(value: Value, lowering: Lowering): void;
  backward(value: Value, lowering: Lowering): void;
}
/** Returns whether workers share a value by columns, because it sums over the batch. */
function isByColumns(value: Value, mode: Mode): boolean {
  const isNormalized = 'running' in value && value.running !== undefined && mode !== 'predict';
  return isNormalized || describeOperation(value.op).rows === 'batch';
}

// The table's entry for `value.op` takes that operation's value.
export const operation = (value: Computed): Lowered => LOWERED[value.op];

/** What a pass is compiled from. */
export interface PassPlan {
  readonly graph: Graph;
  readonly lookups: Lookups;
  readonly buffers: Buffers;
  readonly places: Places;
  readonly tables: TablePlaces;
  /** Gradient areas: one per term, or one for all. */
  readonly areas: number;
  /** Dense gradients as a pass writes them, in the first of the areas, which are `areaWords` apart. */
  readonly passGradients: { readonly at: Ref; readonly areaWords: number };
  readonly refused: Ref;
  /** The first matrix, if a step all-reduces its gradient while it computes others. */
  readonly early: Matrix | undefined;
  /** Returns a double: the rows of a pass in all processes; undefined if each process normalizes by its own rows. */
  readonly allRowsOf: (domain: Domain) => Ref | undefined;
  /**
   * Two doubles per domain, first of the batch: the rows of a pass in all processes, and this process's first row;
   * undefined if it has all rows.
   */
  readonly part: Ref | undefined;
  /** Maximum number of rows of a pass, in all processes. */
  readonly maxRows: number;
  readonly dropoutKeys: ReadonlyMap<string, Ref>;
  /** Precisions of matrix products in training and in predictions. */
  readonly precision: Precision;
  readonly predictionPrecision: Precision;
  /**
   * By term: the weight of its loss, followed by a double, the rows that it is divided by (0 for the rows of a pass);
   * and its mean loss and rows (two doubles).
   */
  readonly terms: ReadonlyMap<string, { readonly weight: Ref; readonly loss: Ref }>;
}

/** The forward pass, the losses of some terms, and the backward pass from them into a gradient area. */
export interface Pass {
  forward(): void;
  losses(terms: readonly Term[]): void;
  /** The first area starts from zero in each step, and the others follow it. */
  back(terms: readonly Term[], area: number): void;
}

/** A pass while it is lowered: what its operations share. */
interface PassState {
  readonly lowering: Lowering;
  /** Values whose gradient has been written. */
  readonly written: Set<Value>;
  /** Turns of the phase that is lowered. */
  readonly turns: (readonly Turn[])[];
  /** The gradient area that is written. */
  area: number;
}

function createPassState(plan: PassPlan, mode: Mode, list: CallList, computed: readonly Value[]): PassState {
  const { graph, buffers, places, passGradients, maxRows } = plan;
  const written = new Set<Value>();
  const turns: (readonly Turn[])[] = [];
  const met = new Set<string>();
  const gathered = (value: Value): Place => {
    const view = (name: string): View =>
      createView(buffers.take(`${name} of all rows ${value.id}`, 'scratch', maxRows), 1, 1);
    return { value: view('value'), gradient: view('gradient') };
  };
  const state: PassState = {
    written,
    turns,
    area: 0,
    lowering: {
      mode,
      places,
      batch: BATCH,
      buffers,
      list,
      refused: plan.refused,
      allRowsOf: ({ buffer: { rows } }) => (typeof rows === 'number' ? undefined : plan.allRowsOf(rows)),
      part: plan.part,
      allMaxRows: maxRows,
      fused: (value) => fusedCode(places.fusions, value),
      view: (value) => places.of(value).value,
      itemsOf: (value) => ({ x: places.of(value).value, isShared: 0 }),
      gradient: (value) => places.of(value).gradient,
      whole: plan.part === undefined ? (value) => places.of(value) : gathered,
      isFirst(what) {
        const isNew = !met.has(what);
        met.add(what);
        return isNew;
      },
      products: PRODUCTS[mode === 'predict' ? plan.predictionPrecision : plan.precision],
      early: mode === 'train' ? plan.early?.at : undefined,
      inTurns: (own) => void turns.push(own),
      canceled: findCanceledBiases(graph),
      computed: new Set<Value>(computed),
      weightGradient: ({ offset }) => shift(passGradients.at, state.area * passGradients.areaWords + offset),
      accumulate(value) {
        const isAdded = written.has(value);
        written.add(value);
        return isAdded ? 1 : 0;
      },
      dropoutKey: (name) => plan.dropoutKeys.get(name)!,
      offsets: (domain) =>
        domain.kind === 'items' ? plan.tables.itemsOf(domain.field).offsets : takeRowOffsets(buffers, domain, maxRows),
    },
  };
  return state;
}

/** Creates what operations are lowered with in predictions, outside a pass. */
export function createPredictLowering(plan: PassPlan, list: CallList, computed: readonly Value[]): Lowering {
  return createPassState(plan, 'predict', list, computed).lowering;
}

/** Emits the turns of a phase, with exchanges between them. */
function finishTurns({ turns, lowering: { list } }: PassState): void {
  const all = turns.splice(0);
  for (let t = 0; t < Math.max(0, ...all.map((own) => own.length)); t++) {
    const each = all.flatMap((own) => own[t] ?? []);
    if (t > 0) list.separate();
    for (const { emit } of each) emit?.();
    list.together(
      each.flatMap(({ sums }) => sums ?? []),
      each.flatMap(({ columns }) => columns ?? []),
    );
  }
}

/** Clears the gradients of parameters that none of some terms reaches. */
function clearUnreached({ graph, places }: PassPlan, terms: readonly Term[], { lowering }: PassState): void {
  const own = terms.map((term) => graph.terms.indexOf(term));
  for (const [parameter, reached] of computeReachability(graph).parameters) {
    if (own.some((t) => reached.has(t))) continue;
    const { at, count } = places.range(parameter);
    lowering.list.emit('clear', { y: lowering.weightGradient(at), ldy: count, rows: 1, columns: count });
  }
}

function lowerTerms(plan: PassPlan, terms: readonly Term[], isBack: boolean, { written, lowering }: PassState): void {
  written.clear();
  const placed = terms.map(({ name, loss: value }) => {
    const { weight, loss: out } = plan.terms.get(name)!;
    return { value, place: { losses: plan.buffers.take(`row losses ${name}`, 'scratch', BATCH), weight, out } };
  });
  lowerLosses(placed, lowering, isBack);
}

/** Clears the gradients of looked-up values that no term reaches; returns whether a term reaches any. */
function completeGradients(
  { tables, places, areas }: PassPlan,
  { written, lowering: { list, gradient } }: PassState,
): boolean {
  const values = [...new Set(tables.all.flatMap(({ lookups }) => lookups.map(({ value }) => value)))];
  if (areas === 1 && !values.some((value) => written.has(value))) return false;
  const unwritten = new Set(
    values.filter((value) => !written.has(value)).map((value) => places.outermostConcat(value)),
  );
  for (const value of unwritten) list.emit('clear', { y: gradient(value), columns: gradient(value).columns });
  return values.length > 0;
}

/**
 * Lowers passes of a graph into a list.
 * @param targets values to compute in evaluation mode
 */
export function lowerPass(
  plan: PassPlan,
  mode: Mode,
  list: CallList,
  targets: readonly Value[] = [...plan.graph.predictions.values()],
): Pass {
  const { graph, lookups, places, tables, refused } = plan;
  const values = mode === 'predict' ? listRequired(graph, targets) : graph.values;
  const computed = values.filter((value): value is Computed => !isLoss(value));
  const operations = computed.filter((value) => !lookups.pooled.has(value) && !lookups.unread.has(value));
  const phases = inPhases(operations, (value) => (isByColumns(value, mode) ? BY_COLUMNS : BY_ROWS));
  const state = createPassState(plan, mode, list, computed);
  const { lowering } = state;
  const releaseTables = (): void => list.emit('releaseTables', { claims: tables.claims, count: tables.all.length });

  return {
    forward() {
      if (mode !== 'predict') {
        releaseTables();
        for (const { at: p, transposed: t, inputs: k, panels } of places.matrices)
          list.emit('transposePanels', { p, t, k, panels });
      }
      lowerCombinations(places.combined, mode !== 'predict', list);
      // Items of a block remain in a cache from the forward pass to the backward pass if no barrier is between them.
      if (tables.items.length > 0) list.awaitStart();
      lowerLookups(tables, listRequiredLookups(tables, new Set(values)), lowering.view, list);
      for (const [i, phase] of phases.entries()) {
        if (i > 0) list.separate();
        for (const value of phase) operation(value).forward(value, lowering);
        finishTurns(state);
      }
      // Extreme numbers can make them infinite and leave the losses finite.
      if (mode === 'train' && places.runningCount > 0)
        list.emit('checkFinite', { numbers: places.running, refused, count: places.runningCount });
    },

    losses: (terms) => lowerTerms(plan, terms, false, state),

    back(terms, area) {
      state.area = area;
      if (area > 0) {
        // A worker that still gathers for the previous term holds a claim.
        list.separate();
        releaseTables();
      }
      if (area === 0) lowerClearRows(tables, list);
      // Nothing else writes there for these terms; the first area holds the result of an update.
      if (plan.areas > 1) clearUnreached(plan, terms, state);
      lowerTerms(plan, terms, true, state);
      lowerBackward(phases, plan, state);
      const hasGradients = completeGradients(plan, state);
      if (hasGradients && area === 0) lowerFindRows(tables, list);
      list.flushSums();
      if (hasGradients) lowerGather(tables, lowering.gradient, area, plan.areas, list);
      lowerCombinedGradients(places.combined, lowering.weightGradient, list);
      list.emit('refuseUnlessFinite', { refused });
    },
  };
}

/** Lists the lookups that fill some values. */
function listRequiredLookups({ lookups }: TablePlaces, values: ReadonlySet<Value>): readonly Lookup[] {
  return lookups.filter(({ value }) => values.has(value));
}

/** Lowers the backward pass of operations that have a gradient. */
function lowerBackward(phases: readonly (readonly Computed[])[], { places }: PassPlan, state: PassState): void {
  const { lowering, written } = state;
  for (const phase of phases.toReversed()) {
    for (const value of phase.toReversed()) {
      const isGroupWritten = value.op === 'linear' && clearUnwritten(value, places, written, lowering.list);
      if (written.has(value) || isGroupWritten) operation(value).backward(value, lowering);
    }
    finishTurns(state);
    lowering.list.separate();
  }
}

/** Returns whether a member of a group of linear layers has a gradient; clears the gradients of the others. */
function clearUnwritten(
  value: Extract<Value, { op: 'linear' }>,
  places: Places,
  written: Set<Value>,
  list: CallList,
): boolean {
  const { members } = places.groupOf(value);
  if (members[0] !== value || !members.some((member) => written.has(member))) return false;
  for (const member of members) {
    const { gradient } = places.of(member);
    if (!written.has(member)) list.emit('clear', { y: gradient, columns: gradient.columns });
  }
  return true;
}
