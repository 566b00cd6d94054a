import { findCanceledBiases, listRequired, type Graph, type Term } from '../../graph/graph.js';
import { isLoss, type LossValue, type Value } from '../../graph/operations.js';
import { computeReachability } from '../../graph/gradient-reachability.js';
import type { InputLayout } from '../../tables/layout.js';
import { WORD, type Arena } from './arena.js';
import { ROWS, type CallList } from './call-list.js';
import { lowerLosses } from './losses.js';
import type { Lowering, Mode, Turn } from './lowering.js';
import { LOWERED } from './operations.js';
import { inPhases } from './phases.js';
import type { Precision } from '../precision.js';
import { toFours, type Place, type Places } from './places.js';
import { PRODUCTS } from './products.js';
import { lowerGather, lowerLookup, type TablePlaces } from './tables.js';

/** A value that is computed on the way forward. */
type Computed = Exclude<Value, LossValue>;

/** An entry of the table, whatever its operation. */
interface Lowered {
  isByColumns?(value: Value, mode: Mode): boolean;
  forward(value: Value, lowering: Lowering): void;
  backward(value: Value, lowering: Lowering): void;
}
// The table's entry for `value.op` takes that operation's value.
const operation = (value: Computed): Lowered => LOWERED[value.op];

/** What a pass is made of. */
export interface PassPlan {
  readonly graph: Graph;
  readonly layout: InputLayout;
  readonly arena: Arena;
  readonly places: Places;
  readonly tables: TablePlaces;
  /** Areas of gradients: one a term, or one for all. */
  readonly areas: number;
  /** Dense gradients as a pass leaves them, in the first of the areas, which lie `areaBytes` apart. */
  readonly passGradients: { readonly at: number; readonly areaBytes: number };
  readonly refused: number;
  /** The first matrix, where a step adds its gradient up over all processes while it computes others. */
  readonly early: { readonly at: number; readonly count: number } | undefined;
  /**
   * Where the rows stand that all processes pass together, a double; undefined where this one normalizes by its own.
   */
  readonly allRows: number | undefined;
  /**
   * Where it stands which rows of those that pass this process has, two doubles: how many all have, and the first of
   * its own; 0 where it has all.
   */
  readonly part: number;
  /** The most rows that pass at once, of all processes. */
  readonly maxRows: number;
  readonly running: { readonly at: number; readonly length: number };
  readonly dropoutKeys: ReadonlyMap<string, number>;
  /** Of matrix products in training; predictions are in single precision. */
  readonly precision: Precision;
  /**
   * By term: where the weight of its loss lies (and 8 bytes on the rows that it is divided by, if they are not those of
   * a pass), and its mean loss and rows (two doubles).
   */
  readonly terms: ReadonlyMap<string, { readonly weight: number; readonly loss: number }>;
}

/** The way forward, the losses of some terms, and back from them into an area of the gradients. */
export interface Pass {
  forward(): void;
  losses(terms: readonly Term[]): void;
  /** The first area begins anew with a step, the others follow it. */
  back(terms: readonly Term[], area: number): void;
}

/**
 * Lowers passes of a graph into a list.
 * @param targets what is computed in evaluation mode
 */
export function lowerPass(
  plan: PassPlan,
  mode: Mode,
  list: CallList,
  targets: readonly Value[] = [...plan.graph.predictions.values()],
): Pass {
  const {
    graph,
    layout,
    arena,
    places,
    tables,
    passGradients,
    dropoutKeys,
    refused,
    running,
    allRows,
    part,
    maxRows,
    precision,
  } = plan;
  const input = graph.values.find((value) => value.op === 'input' && value.source.kind === 'features');
  const values = mode === 'predict' ? listRequired(graph, targets) : graph.values;
  const computed = values.filter((value): value is Computed => !isLoss(value));
  const phases = inPhases(computed, (value) => operation(value).isByColumns?.(value, mode) ?? false);
  const weightsEnd = places.weightsBegin + places.weightsCount * WORD;
  const reach = computeReachability(graph);
  let written = new Set<Value>();
  /** Of the phase that is lowered. */
  const started: (readonly Turn[])[] = [];
  const finishTurns = (): void => {
    const all = started.splice(0);
    for (let t = 0; t < Math.max(0, ...all.map((turns) => turns.length)); t++) {
      const turns = all.flatMap((each) => each[t] ?? []);
      if (t > 0) list.separate();
      for (const { emit } of turns) emit?.();
      list.together(
        turns.flatMap(({ sums }) => sums ?? []),
        turns.flatMap(({ columns }) => columns ?? []),
      );
    }
  };
  const wholeOf = (value: Value): Place => {
    const room = (name: string): number => arena.take(`${name} of all rows ${value.id}`, maxRows);
    return { at: room('value'), gradient: room('gradient'), ld: 1, width: 1, columns: toFours(1) };
  };
  const met = new Set<string>();
  let gradientsAt = passGradients.at;
  const lowering: Lowering = {
    mode,
    places,
    arena,
    list,
    refused,
    allRows,
    part,
    allMaxRows: maxRows,
    whole: part === 0 ? places.of : wholeOf,
    isFirst(what) {
      const isNew = !met.has(what);
      met.add(what);
      return isNew;
    },
    products: PRODUCTS[mode === 'predict' ? 'f32' : precision],
    early: mode === 'train' ? plan.early?.at : undefined,
    inTurns: (turns) => void started.push(turns),
    canceled: findCanceledBiases(graph),
    computed: new Set<Value>(computed),
    gradientAt: (address) =>
      address < places.weightsBegin || address >= weightsEnd ? address : address - places.weightsBegin + gradientsAt,
    accumulate(value) {
      const isAdded = written.has(value);
      written.add(value);
      return isAdded ? 1 : 0;
    },
    dropoutKey: (name) => dropoutKeys.get(name)!,
  };

  const clearUnreached = (terms: readonly Term[]): void => {
    const own = terms.map((term) => graph.terms.indexOf(term));
    for (const [parameter, reached] of reach.parameters) {
      if (own.some((t) => reached.has(t))) continue;
      const { at, count } = places.range(parameter);
      list.emit('clear', { y: lowering.gradientAt(at), ldy: count, rows: 1, columns: count });
    }
  };

  const lowerTerms = (terms: readonly Term[], isBack: boolean): void => {
    written = new Set<Value>();
    const placed = terms.map(({ name, loss: value }) => {
      const { weight, loss: out } = plan.terms.get(name)!;
      return { value, place: { losses: arena.take(`row losses ${name}`, places.maxRows), weight, out } };
    });
    lowerLosses(placed, lowering, isBack);
  };

  return {
    forward() {
      if (mode !== 'predict') {
        list.emit('releaseTables', { claims: tables.claims, count: tables.all.length });
        for (const { at: p, transposed: t, inputs: k, panels } of matricesOf(graph, places))
          list.emit('transposePanels', { p, t, k, panels });
      }
      if (input !== undefined) lowerLookup(layout, tables, places.of(input), list);
      for (const [i, phase] of phases.entries()) {
        if (i > 0) list.separate();
        for (const value of phase) operation(value).forward(value, lowering);
        finishTurns();
      }
      // An extreme number may spoil them and leave the losses finite.
      if (mode === 'train' && running.length > 0)
        list.emit('checkFinite', { numbers: running.at, refused, count: running.length });
    },

    losses: (terms) => lowerTerms(terms, false),

    back(terms, area) {
      gradientsAt = passGradients.at + area * passGradients.areaBytes;
      if (area > 0) {
        // Whoever still gathers for the term before holds a claim.
        list.separate();
        list.emit('releaseTables', { claims: tables.claims, count: tables.all.length });
      }
      // Nothing else writes there for these terms; the first area holds what an update made of it.
      if (plan.areas > 1) clearUnreached(terms);
      lowerTerms(terms, true);
      for (const phase of phases.toReversed()) {
        for (const value of phase.toReversed()) {
          const isGroupWritten = value.op === 'linear' && clearUnwritten(value, places, written, list);
          if (written.has(value) || isGroupWritten) operation(value).backward(value, lowering);
        }
        finishTurns();
        list.separate();
      }
      list.flushSums();
      if (input !== undefined && (written.has(input) || plan.areas > 1)) {
        const place = places.of(input);
        if (!written.has(input))
          list.emit('clear', { y: place.gradient, ldy: place.ld, rows: ROWS, columns: place.columns });
        lowerGather(tables, place, area, plan.areas, list);
      }
      list.emit('refuseUnlessFinite', { refused });
    },
  };
}

function matricesOf(graph: Graph, places: Places) {
  const own = graph.values.flatMap((value) =>
    value.op === 'attend' ? [value.query, value.key, value.value].map((parameter) => places.matrix(parameter)) : [],
  );
  return [...places.groups.map(({ matrix }) => matrix), ...own];
}

/** Whether any member of a group of linear layers got a gradient; what others left of older steps is cleared. */
function clearUnwritten(
  value: Extract<Value, { op: 'linear' }>,
  places: Places,
  written: Set<Value>,
  list: CallList,
): boolean {
  const { members } = places.groupOf(value);
  if (members[0] !== value || !members.some((member) => written.has(member))) return false;
  for (const member of members) {
    const place = places.of(member);
    if (!written.has(member))
      list.emit('clear', { y: place.gradient, ldy: place.ld, rows: ROWS, columns: place.columns });
  }
  return true;
}
