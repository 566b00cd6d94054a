import { domainName, type Domain } from '../../graph/domain.js';
import type { Buffer, Ref, View } from './buffers.js';
import { argumentNames, type Arguments, type KernelName } from './kernel-arguments.js';
import { SIGNATURES } from './kernel-signatures.js';

type Signatures = typeof SIGNATURES;
/**
 * An optimizer's rule has two kernels, which are named after it: one for dense weights (any share of them, or tensor by
 * tensor) and one for tables.
 */
type RuleKernel = Extract<keyof Signatures, `${string}Dense` | `${string}Tensor` | `${string}Table`>;
/** Kernels for a batch whose rows are sharded over several processes. */
export type TogetherKernel =
  | 'batchSums'
  | 'batchSumTogether'
  | 'countRows'
  | 'normalizeGradientSums'
  | 'normalizeGradientTogether'
  | 'normalizeSquares'
  | 'normalizeSums'
  | 'normalizeTogether';
/** Products of operands that are rounded to bfloat16. */
export type Bf16Kernel = 'gemmBf16' | 'gemmGradientBf16';
/** Lookups of quantized rows. */
export type QuantizedKernel = 'lookupInt8' | 'lookupHalf' | 'lookupBagsInt8' | 'lookupBagsHalf';
/** Products with a matrix for each row of the batch. */
export type ScaledKernel = 'scaledProduct' | 'scaledProductInputs' | 'scaledProductGradient' | 'partSums';
/** Rules that have a kernel for tables. */
export type TableRule = RuleKernel extends infer Name ? (Name extends `${infer Rule}Table` ? Rule : never) : never;

/**
 * How workers share the work of a kernel. A barrier separates calls in which two workers may access the same element.
 * Between two barriers, every worker has the same rows of the batch in all calls by rows, and all rows of other domains
 * that belong to these, so that no barrier separates the calls.
 */
type Sharing = 'rows' | 'sums' | 'columns' | 'groups' | 'start' | 'tables' | 'reduce' | 'apply';

/** Kernels whose sharing does not follow from their arguments. */
const SHARING: Readonly<Partial<Record<KernelName, Sharing>>> = {
  checkFinite: 'rows',
  // A barrier precedes every kernel that accesses the same elements.
  clearRows: 'rows',
  // Sums over rows that only the optimizer reads: they are deferred to the end of the backward pass.
  columnProducts: 'sums',
  columnSums: 'sums',
  diceSlopes: 'sums',
  gemmGradient: 'sums',
  gemmGradientBf16: 'sums',
  meanLoss: 'sums',
  partSums: 'sums',
  preluSlope: 'sums',
  // Groups, which have rows of any worker.
  groupLogSumExp: 'groups',
  groupLogSumExpGradient: 'groups',
  groupPairs: 'groups',
  groupPairsGradient: 'groups',
  // They read results of the previous step; a barrier precedes the readers of what they write.
  releaseTables: 'start',
  transposePanels: 'start',
  // The first free worker takes a table. The slowest sums and the largest tables may overlap: neither reads the other.
  addGradients: 'tables',
  findRows: 'tables',
  gatherBagGradients: 'tables',
  gatherGradients: 'tables',
  numberRows: 'tables',
  refuseUnlessFinite: 'tables',
  watchAll: 'tables',
  // They read gradients that other workers have written.
  accumulate: 'reduce',
  clipNorm: 'reduce',
  combine: 'reduce',
  products: 'reduce',
  // A worker has the same table rows as in their update, but not the same dense weights.
  averageRows: 'apply',
  averageWeights: 'reduce',
  exchangeRows: 'apply',
};

/** Returns how workers share a kernel: by default columns if it has slots of them, else its rows, else an update. */
function sharingOf(kernel: KernelName): Sharing {
  const names = argumentNames(kernel);
  return SHARING[kernel] ?? (names.includes('slot') ? 'columns' : names.includes('rows') ? 'rows' : 'apply');
}

/** An argument of a call: a position in a buffer, a number, or the number of rows of a domain. */
export type Operand = Ref | number | Domain;

/** What a program calls besides kernels: a barrier of all workers, and exchanges with other processes. */
export type Collective =
  | 'barrier'
  /** All-reduces doubles: operands are pairs of a position and a count. */
  | 'together'
  /** All-gathers columns: operands are own rows, their stride and the rows of all processes. */
  | 'gather'
  /** Starts the all-reduce of floats, and polls it. */
  | 'beginSum'
  | 'goOn';

/** One call of a program. */
export interface Call {
  readonly kernel: KernelName | Collective;
  /** In the order of the kernel's signature. */
  readonly operands: Operand[];
}

const COLUMNS_OF_LINE = 16;

/** Elements of a buffer. */
export interface Span {
  readonly at: Ref;
  readonly count: number;
}

/**
 * A column of one float per row that is all-gathered: this rank's rows, with a stride of `ld` floats, and the rows of
 * all ranks, concatenated.
 */
export interface Gathered {
  readonly own: Ref;
  readonly ld: number;
  readonly all: Ref;
}

const POLL: Call = { kernel: 'goOn', operands: [] };

/** Splits the cache lines of all columns of a phase among workers: sets each call's first line and the total. */
function shareColumns(calls: readonly Call[]): void {
  const at = ({ kernel }: Call, name: string): number => argumentNames(kernel as KernelName).indexOf(name);
  const lines = calls.map((call) => Math.ceil((call.operands[at(call, 'columns')] as number) / COLUMNS_OF_LINE));
  const total = lines.reduce((sum, count) => sum + count, 0);
  let slot = 0;
  for (const [i, call] of calls.entries()) {
    call.operands[at(call, 'slot')] = slot;
    call.operands[at(call, 'slots')] = total;
    slot += lines[i]!;
  }
}

/** Calls in order, with the barriers that they require. */
export class CallList {
  readonly calls: Call[] = [];
  readonly #sums: Call[] = [];
  /** Calls of the current phase by columns. */
  readonly #columns: Call[] = [];
  /** Sharing of the last call; another one requires a barrier. */
  #last: Sharing | undefined;
  #isStartPending = false;
  #isSumUnderWay = false;

  emit<Name extends KernelName>(kernel: Name, args: Arguments<Name>): void {
    const call: Call = { kernel, operands: listOperands(kernel, args) };
    const sharing = sharingOf(kernel);
    if (sharing === 'sums') {
      this.#sums.push(call);
      return;
    }
    if (sharing === 'start') this.#isStartPending = true;
    else {
      if (this.#last !== sharing) this.separate();
      this.#last = sharing;
    }
    if (sharing === 'columns') this.#columns.push(call);
    this.#push(call);
  }

  /** Adds a barrier: later calls may read what any worker has written. */
  separate(): void {
    if (this.#last !== undefined) this.#addBarrier();
  }

  /** Adds a barrier unless there was one since the kernels of the start. */
  awaitStart(): void {
    if (this.#isStartPending) this.#addBarrier();
  }

  #addBarrier(): void {
    shareColumns(this.#columns.splice(0));
    this.calls.push({ kernel: 'barrier', operands: [] });
    this.#last = undefined;
    this.#isStartPending = false;
  }

  /** Adds all deferred sums, after a barrier. */
  flushSums(): void {
    this.separate();
    this.#push(...this.#sums.splice(0));
    this.#last = 'tables';
  }

  /** All-reduces sums and all-gathers columns over all processes, for later calls to read. */
  together(spans: readonly Span[], gathered: readonly Gathered[] = []): void {
    if (spans.length + gathered.length === 0) return;
    this.separate();
    if (spans.length > 0)
      this.calls.push({ kernel: 'together', operands: spans.flatMap(({ at, count }) => [at, count]) });
    if (gathered.length > 0)
      this.calls.push({ kernel: 'gather', operands: gathered.flatMap(({ own, ld, all }) => [own, ld, all]) });
    this.calls.push({ kernel: 'barrier', operands: [] });
    this.#isStartPending = false;
  }

  /** Computes the sum that was emitted last, and starts its all-reduce, which later calls poll. */
  beginSum({ at, count }: Span): void {
    this.separate();
    this.#push(this.#sums.pop()!);
    this.#last = 'tables';
    this.separate();
    this.calls.push({ kernel: 'beginSum', operands: [at, count] });
    this.#isSumUnderWay = true;
  }

  #push(...added: readonly Call[]): void {
    for (const call of added) this.calls.push(call, ...(this.#isSumUnderWay ? [POLL] : []));
  }
}

/** Returns the rows of a call by rows of a batch; undefined for other calls. */
export function rowsOfCall({ kernel, operands }: Call): Domain | undefined {
  if (!(kernel in SIGNATURES) || sharingOf(kernel as KernelName) !== 'rows') return undefined;
  return operands.find((operand): operand is Domain => typeof operand === 'object' && 'kind' in operand);
}

/** Returns how many parts a call by rows of a batch sums, of which a worker has whole ones; 0 if it sums none. */
export function partsOfCall(call: Call): number {
  if (rowsOfCall(call) === undefined) return 0;
  const at = argumentNames(call.kernel as KernelName).indexOf('parts'); // a call with rows is of a kernel
  return at < 0 ? 0 : (call.operands[at] as number); // a constant
}

/** Lists a kernel's operands in order, with strides and rows from the views among them. */
function listOperands<Name extends KernelName>(kernel: Name, args: Arguments<Name>): Operand[] {
  const given = args as Readonly<Record<string, Operand | undefined>>; // by names of the kernel's arguments
  return argumentNames(kernel).map((name): Operand => {
    const value = given[name];
    if (value !== undefined) return value;
    if (name === 'rows') return rowsOf(kernel, Object.values(given));
    if (!name.startsWith('ld')) return 0; // shares of columns, filled in when their phase ends
    const view = given[name.slice(2)] ?? given[`d${name.slice(2)}`];
    if (typeof view !== 'object' || !('ld' in view)) throw new Error(`${kernel}: no view for '${name}'`);
    return (view as View).ld; // only views have a stride
  });
}

/** Returns the domain that the buffers of a call share. */
function rowsOf(kernel: string, operands: readonly (Operand | undefined)[]): Domain {
  const domains = new Map<string, Domain>();
  for (const operand of operands) {
    if (typeof operand !== 'object' || !('buffer' in operand)) continue;
    const { rows }: Buffer = operand.buffer;
    if (typeof rows !== 'number') domains.set(domainName(rows), rows);
  }
  const [domain, ...others] = domains.values();
  if (domain === undefined || others.length > 0)
    throw new Error(`${kernel}: operands have rows of ${[...domains.keys()].join(' and ') || 'no domain'}`);
  return domain;
}
