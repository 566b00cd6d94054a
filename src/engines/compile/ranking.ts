import {
  findCandidatePart,
  isCombined,
  isShared,
  type CandidatePart,
  type ColumnRun,
} from '../../graph/candidate-part.js';
import { findMaxItems } from '../../tables/layout.js';
import { BATCH, domainName, isOfItems, items, shared, sharedItems, type Domain } from '../../graph/domain.js';
import { listOperands } from '../../graph/graph.js';
import { isLoss, type Value, type ValueOf } from '../../graph/operations.js';
import { cutColumns, createView, shift, type Buffer, type Buffers, type Ref, type View } from './buffers.js';
import { CallList, type Call } from './call-list.js';
import { lowerCombinations } from './combined.js';
import type { Layout } from './layout.js';
import type { Lookup } from './lookups.js';
import type { Lowering } from './lowering.js';
import { createPredictLowering, operation } from './passes.js';
import type { LinearGroup, OperationPlaces, Place } from './places.js';
import { lowerLookups } from './tables.js';

// Predictions for many candidates of one user. Values of the user have one row, or the items of one row, in buffers of
// their own that mirror those of the batch. Items that are combined with candidates are repeated for each of them. A
// linear layer of columns of both is the sum of two products: x W = u W_u + c W_c. The user's product is the bias of
// the candidates' one.

/** Calls that predict candidates of a user. */
export interface RankingLists {
  /** Fields that are read per candidate. */
  readonly candidateFields: ReadonlySet<string>;
  /** Copies the rows of split matrices, whenever weights or candidate fields changed. */
  readonly weights: readonly Call[];
  /** Computes the part of a user. */
  readonly user: readonly Call[];
  /** Computes predictions of candidates of that user. */
  readonly candidates: readonly Call[];
  /** Items of the user that candidates are combined with. */
  readonly repeated: readonly RepeatedItems[];
}

/** Items of the user that are repeated for each candidate. */
export interface RepeatedItems {
  readonly domain: Domain;
  /** A word per candidate and one more: where its items begin. */
  readonly offsets: Ref;
  /** The index of each item among the items of the user; undefined if all calls read them in place. */
  readonly indices: Ref | undefined;
}

/** Creates the buffers of rankings, after all others. */
export function takeRankingBuffers(layout: Layout): void {
  const { buffers, places } = layout;
  for (const buffer of [...buffers.all])
    if (buffer.role === 'value' || buffer.role === 'scratch' || isFactors(buffer))
      toShared({ buffer, offset: 0 }, layout);
  for (const domain of layout.domains) if (domain.kind === 'items') takeItemIndices(buffers, domain);
  takeSplitWeights(buffers, places.groups);
}

/** Lowers the predictions of candidates. */
export function lowerRanking(layout: Layout, candidateFields: ReadonlySet<string>): RankingLists {
  const part = findCandidatePart(layout.graph, layout.plan.layout.columns, candidateFields);
  const ranking = new RankingLowering(layout, part);
  lowerCombinations(layout.places.combined, false, ranking.weights);
  for (const value of part.values) ranking.lower(value);
  for (const value of layout.graph.predictions.values()) ranking.expand(value);
  const { weights, user, candidates } = ranking;
  return {
    candidateFields: part.fields,
    weights: weights.calls,
    user: user.calls,
    candidates: candidates.calls,
    repeated: ranking.listRepeated(),
  };
}

/** Returns a position in the buffer that has the rows of a user instead of the rows of the batch. */
function toShared<Of extends Ref>(ref: Of, { buffers, plan }: Pick<Layout, 'buffers' | 'plan'>): Of {
  const { name, rows, width } = ref.buffer;
  // Selected items depend on candidates.
  if (typeof rows === 'number' || rows.kind === 'shared' || rows.kind === 'selected') return ref;
  const domain =
    rows.kind === 'items'
      ? sharedItems(rows.field, findMaxItems(plan.layout, rows.field)!)
      : shared(rows.kind === 'batch' ? 1 : rows.count);
  return { ...ref, buffer: buffers.take(`shared ${name}`, 'scratch', domain, width).buffer };
}

/** Returns whether a buffer has factors of items, which a batch brings. */
const isFactors = ({ role, rows }: Buffer): boolean =>
  role === 'column' && typeof rows !== 'number' && rows.kind === 'items';

/** Returns the buffer with the index of each repeated item among the items of the user. */
const takeItemIndices = (buffers: Buffers, domain: Domain): Ref =>
  buffers.take(`indices of ${domainName(domain)}`, 'index', domain);

/** Returns the buffer of split matrices: in the order of groups, each as large as its matrix. */
function takeSplitWeights(buffers: Buffers, groups: readonly LinearGroup[]): Ref {
  const words = groups.reduce((sum, group) => sum + countWeights(group), 0);
  return buffers.take('split weights', 'scratch', 1, words);
}

const countWeights = ({ matrix: { inputs, panels } }: LinearGroup): number => inputs * panels * 8;

/** Returns what operations of the user are lowered with: views of the shared buffers, and one row for the batch. */
function createUserLowering(lowering: Lowering, layout: Layout): Lowering {
  const { buffers, places } = lowering;
  const view = <Of extends Ref>(ref: Of): Of => toShared(ref, layout);
  const place = ({ value, gradient }: Place): Place => ({ value: view(value), gradient });
  const sharedPlaces: OperationPlaces = {
    of: (value) => place(places.of(value)),
    outermostConcat: (value) => places.outermostConcat(value),
    groupOf(value) {
      const group = places.groupOf(value);
      return { ...group, out: place(group.out) };
    },
    parameter: (parameter) => places.parameter(parameter),
    vector: (parameter) => places.vector(parameter),
    matrix: (parameter) => places.matrix(parameter),
    columns: (...columns) => place(places.columns(...columns)),
    combinedOf: (value) => places.combinedOf(value),
  };
  return {
    ...lowering,
    batch: shared(1),
    places: sharedPlaces,
    buffers: { ...buffers, take: (...buffer) => view(buffers.take(...buffer)) },
    view: (value) => sharedPlaces.of(value).value,
    itemsOf: (value) => ({ x: sharedPlaces.of(value).value, isShared: 0 }),
  };
}

/** The lists of a ranking while they are lowered. */
class RankingLowering {
  readonly weights = new CallList();
  readonly user = new CallList();
  readonly candidates = new CallList();
  readonly #layout: Layout;
  readonly #part: CandidatePart;
  readonly #ofUser: Lowering;
  readonly #ofCandidates: Lowering;
  readonly #expanded = new Set<Value>();
  /** Fields whose items are copied for each candidate. */
  readonly #copied = new Set<string>();

  constructor(layout: Layout, part: CandidatePart) {
    const { tables } = layout;
    this.#layout = layout;
    this.#part = part;
    this.#ofUser = createUserLowering(createPredictLowering(layout, this.user, part.values), layout);
    this.#ofCandidates = createPredictLowering(layout, this.candidates, part.values);
    const required = new Set(part.values);
    const lookups = tables.lookups.filter(({ value }) => required.has(value));
    for (const { batch, view, list, isOfCandidates } of [
      { ...this.#ofUser, isOfCandidates: false },
      { ...this.#ofCandidates, isOfCandidates: true },
    ]) {
      const own = lookups.filter(({ field }) => part.fields.has(field) === isOfCandidates);
      lowerLookups(tables, own, view, list, batch);
    }
    this.#copyFactors(lookups);
  }

  /** Lowers the operation of a value for its columns of the user, and for the columns of candidates. */
  lower(value: Value): void {
    const { lookups } = this.#layout;
    if (isLoss(value) || lookups.pooled.has(value) || lookups.unread.has(value)) return;
    if (value.op === 'linear' && this.#isSplit(value)) {
      this.#splitLinear(value);
      return;
    }
    const runs = this.#part.runsOf(value);
    if (runs.some(({ isOfCandidates }) => !isOfCandidates)) operation(value).forward(value, this.#ofUser);
    if (!runs.some(({ isOfCandidates }) => isOfCandidates)) return;
    for (const operand of listOperands(value)) if (isCombined(value, operand, this.#part)) this.expand(operand);
    operation(value).forward(value, this.#withSharedItems(value));
  }

  /** Returns the lowering of a value of candidates, which may read items of the user in place. */
  #withSharedItems(value: Value): Lowering {
    return {
      ...this.#ofCandidates,
      itemsOf: (x) =>
        isShared(value, x, this.#part) ? { x: this.#ofUser.view(x), isShared: 1 } : this.#ofCandidates.itemsOf(x),
    };
  }

  /** Lists the user's items that have values of their own for each candidate. */
  listRepeated(): readonly RepeatedItems[] {
    const { buffers, tables } = this.#layout;
    const { fields, values, runsOf } = this.#part;
    const fieldsOf = values.flatMap((value) =>
      value.rows.kind === 'items' && !fields.has(value.rows.field) && runsOf(value).some((run) => run.isOfCandidates)
        ? [value.rows.field]
        : [],
    );
    return [...new Set(fieldsOf)].map((field) => ({
      domain: items(field),
      offsets: tables.itemsOf(field).offsets,
      indices: this.#copied.has(field) ? takeItemIndices(buffers, items(field)) : undefined,
    }));
  }

  /** Repeats the user's columns of a value for each candidate. */
  expand(value: Value): void {
    if (this.#expanded.has(value)) return;
    this.#expanded.add(value);
    if (value.rows.kind === 'items') {
      this.#repeatItems(value, value.rows);
      return;
    }
    const [x, y] = [this.#ofUser.view(value), this.#ofCandidates.view(value)];
    const count = countBlocks(value.rows);
    for (const { begin, width, isOfCandidates } of this.#part.runsOf(value)) {
      for (let block = 0; block < count && !isOfCandidates; block++)
        this.candidates.emit('copyColumns', {
          x: shift(x, block * x.ld + begin),
          ldx: 0,
          y: shift(y, block * y.ld + begin),
          ldy: count * y.ld,
          rows: BATCH,
          width,
          accumulate: 0,
        });
    }
  }

  #repeatItems(value: Value, domain: Extract<Domain, { readonly kind: 'items' }>): void {
    this.#copied.add(domain.field);
    const [x, y] = [this.#ofUser.view(value), this.#ofCandidates.view(value)];
    const tableSize = this.#layout.maxRowsOf(x.buffer.rows as Domain);
    for (const { begin, width, isOfCandidates } of this.#part.runsOf(value))
      if (!isOfCandidates)
        this.candidates.emit('lookup', {
          ids: takeItemIndices(this.#layout.buffers, domain),
          table: shift(x, begin),
          tableSize,
          stride: x.ld,
          width,
          y: cutColumns(y, begin, width),
          rows: domain,
        });
  }

  /** Copies the factors of the user's items, which a batch brings. */
  #copyFactors(lookups: readonly Lookup[]): void {
    const { places } = this.#layout;
    for (const { kind, field, value } of lookups)
      if (kind === 'factors' && !this.#part.fields.has(field))
        this.user.emit('copyColumns', {
          x: places.of(value).value,
          y: this.#ofUser.view(value),
          rows: value.rows,
          width: 1,
          accumulate: 0,
        });
  }

  /** Returns whether a linear layer reads columns of both. The user's product of a block is no bias of all blocks. */
  #isSplit({ x }: ValueOf<'linear'>): boolean {
    return x.rows.kind === 'batch' && this.#part.runsOf(x).length > 1;
  }

  #splitLinear(value: ValueOf<'linear'>): void {
    const group = this.#layout.places.groupOf(value);
    if (group.members.find((member) => this.#ofUser.computed.has(member)) !== value) return;
    const { x, bias, activated } = group;
    const runs = this.#part.runsOf(x);
    const ofUser = runs.filter(({ isOfCandidates }) => !isOfCandidates);
    const ofCandidates = runs.filter(({ isOfCandidates }) => isOfCandidates);
    const sums = this.#ofUser.places.groupOf(value).out.value;
    for (const [i, run] of ofUser.entries())
      this.#multiply(this.#ofUser, group, run, { bias: i === 0 ? bias : 0, out: sums, accumulate: Math.min(i, 1) });
    for (const [i, run] of ofCandidates.entries()) {
      const isLast = i === ofCandidates.length - 1;
      const ending = { bias: isLast ? sums : (0 as const), ...(isLast && activated) };
      this.#multiply(this.#ofCandidates, group, run, { out: group.out.value, accumulate: Math.min(i, 1), ...ending });
    }
  }

  /** Multiplies some columns of a group's input with their rows of its matrix, which are copied to one place. */
  #multiply(
    { view, batch: rows, list, products }: Lowering,
    group: LinearGroup,
    { begin, width }: ColumnRun,
    {
      out,
      ...rest
    }: {
      readonly bias: Ref | 0;
      readonly out: View;
      readonly accumulate: number;
      readonly activation?: number;
      readonly activatedPanels?: number;
    },
  ): void {
    const { x, matrix } = group;
    const { inputs, panels } = matrix;
    const panelsAt = shift(this.#weightsOf(group), begin * panels * 8);
    this.weights.emit('copyColumns', {
      x: createView(shift(matrix.at, begin * 8), inputs * 8, width * 8),
      y: createView(panelsAt, width * 8, width * 8),
      rows: panels,
      width: width * 8,
      accumulate: 0,
    });
    const product = { panelsAt, k: width, panels, rows, activation: 0, activatedPanels: 0, ...rest };
    list.emit(products.product, { a: cutColumns(view(x), begin, width), c: out, ...product });
  }

  /** Returns the position of a group's split matrix. */
  #weightsOf(group: LinearGroup): Ref {
    const { buffers, places } = this.#layout;
    const before = places.groups.slice(0, places.groups.indexOf(group));
    return shift(
      takeSplitWeights(buffers, places.groups),
      before.reduce((sum, each) => sum + countWeights(each), 0),
    );
  }
}

/** Returns the rows that a domain has per row of the batch. */
function countBlocks(domain: Domain): number {
  if (isOfItems(domain) || domain.kind === 'shared') throw new Error('only rows of the batch are repeated');
  return domain.kind === 'batch' ? 1 : domain.count;
}
