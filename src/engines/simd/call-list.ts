import { SIGNATURES } from './kernel-signatures.js';
import type { Exchanges } from './kernels.js';

type Signatures = typeof SIGNATURES;
/**
 * A rule of an optimizer has two kernels, which are named after it: for dense weights, in any shares or tensor by
 * tensor, and for tables.
 */
type RuleKernel = Extract<keyof Signatures, `${string}Dense` | `${string}Tensor` | `${string}Table`>;
/** What starts and ends a list, how workers share what it does, and what other kernels tell, stands in no list. */
type OwnKernel =
  'barrier' | 'has' | 'join' | 'noteNotFinite' | 'shareBegin' | 'shareEnd' | 'slotBegin' | 'slotEnd' | 'take';
export type KernelName = Exclude<keyof Signatures, OwnKernel>;
/** What does its part of a batch that several processes have parts of. */
export type TogetherKernel =
  | 'batchSums'
  | 'batchSumTogether'
  | 'countRows'
  | 'ownRows'
  | 'normalizeGradientSums'
  | 'normalizeGradientTogether'
  | 'normalizeSquares'
  | 'normalizeSums'
  | 'normalizeTogether';
/** Products of operands that are rounded to bfloat16. */
export type Bf16Kernel = 'gemmBf16' | 'gemmGradientBf16';
/** Rules that have a kernel for tables. */
export type TableRule = RuleKernel extends infer Name ? (Name extends `${infer Rule}Table` ? Rule : never) : never;

/** How the work of a kernel is shared among workers; what two workers may meet in lies on two sides of a barrier. */
type Sharing = 'rows' | 'sums' | 'columns' | 'start' | 'tables' | 'reduce' | 'apply';

const SHARING: Readonly<Record<Exclude<KernelName, RuleKernel>, Sharing>> = {
  // Every worker has the same rows of a batch in all of these, so they follow each other without a barrier.
  gemm: 'rows',
  gemmBf16: 'rows',
  groupPairs: 'rows',
  groupPairsGradient: 'rows',
  affine: 'rows',
  clip: 'rows',
  clipGradient: 'rows',
  layerNorm: 'rows',
  layerNormGradient: 'rows',
  mapNumbers: 'rows',
  mapNumbersGradient: 'rows',
  productLogit: 'rows',
  productLogitGradient: 'rows',
  reciprocal: 'rows',
  reciprocalGradient: 'rows',
  activate: 'rows',
  activateGradient: 'rows',
  binaryCrossEntropy: 'rows',
  checkFinite: 'rows',
  countRows: 'rows',
  clear: 'rows',
  copyColumns: 'rows',
  crossEntropy: 'rows',
  crossEntropyGradient: 'rows',
  dice: 'rows',
  diceGradient: 'rows',
  dotRows: 'rows',
  dropout: 'rows',
  lookup: 'rows',
  lookupBags: 'rows',
  mean: 'rows',
  multiply: 'rows',
  normalizeRunning: 'rows',
  ownRows: 'rows',
  prelu: 'rows',
  poolingFactors: 'rows',
  preluGradient: 'rows',
  scaleRows: 'rows',
  softmax: 'rows',
  softmaxGradient: 'rows',
  squaredError: 'rows',
  // Sums over the batch that nothing reads before the optimizer: they wait for the end of the way back.
  columnProducts: 'sums',
  columnSums: 'sums',
  diceSlopes: 'sums',
  gemmGradient: 'sums',
  gemmGradientBf16: 'sums',
  meanLoss: 'sums',
  preluSlope: 'sums',
  // Whole columns, which the next kernel reads by rows.
  batchSum: 'columns',
  batchSums: 'columns',
  batchSumTogether: 'columns',
  groupLogSumExp: 'columns',
  groupLogSumExpGradient: 'columns',
  linkGroups: 'columns',
  normalize: 'columns',
  normalizeGradient: 'columns',
  normalizeGradientSums: 'columns',
  normalizeGradientTogether: 'columns',
  normalizeSquares: 'columns',
  normalizeSums: 'columns',
  normalizeTogether: 'columns',
  // They read what the step before left, and what they write is read behind a barrier.
  releaseTables: 'start',
  transposePanels: 'start',
  // A table is done by the worker that takes it first. The slowest sums and the largest tables may meet: none reads the
  // other.
  gatherBagGradients: 'tables',
  gatherGradients: 'tables',
  refuseUnlessFinite: 'tables',
  // They read all gradients, which other workers have written.
  accumulate: 'reduce',
  clipNorm: 'reduce',
  combine: 'reduce',
  products: 'reduce',
  watchAll: 'tables',
  // A worker has the rows that it has in their update; dense weights may be another's there.
  averageRows: 'apply',
  averageWeights: 'reduce',
  exchangeRows: 'apply',
  exchangeWeights: 'apply',
};

const sharingOf = (kernel: KernelName): Sharing =>
  kernel in SHARING ? SHARING[kernel as keyof typeof SHARING] : 'apply';

/** Stands for the number of rows of the batch among a call's arguments. */
export const ROWS: unique symbol = Symbol('the rows of the batch');
/** What workers of a phase by columns are told by the list itself. */
type Filled = 'slot' | 'slots';
/** A kernel's arguments by their names: a wrong name, or one too few, does not compile. */
export type Arguments<Name extends KernelName> = {
  readonly [Argument in Exclude<Signatures[Name][number], Filled>]: number | typeof ROWS;
};

const COLUMNS_OF_LINE = 16;

/** One kernel call; of numbers alone, so that workers can be told. */
export interface Call {
  readonly kernel: KernelName | 'barrier' | keyof Exchanges;
  /** In the order of the kernel's signature. */
  readonly args: number[];
  /** Places among them that the number of rows of a batch belongs to. */
  readonly rowsAt: readonly number[];
}

/** So many numbers at an address. */
export interface Numbers {
  readonly at: number;
  readonly count: number;
}

/**
 * A column of one float per row that is all-gathered: the address of this rank's rows, with a stride of `ld` floats,
 * and the address of all ranks' rows, concatenated.
 */
export interface Gathered {
  readonly own: number;
  readonly ld: number;
  readonly all: number;
}

const GO_ON: Call = { kernel: 'goOn', args: [], rowsAt: [] };

/** Calls in their order, with the barriers that they need. */
export interface CallList {
  readonly calls: Call[];
  emit<Name extends KernelName>(kernel: Name, args: Arguments<Name>): void;
  /** What comes next reads what any worker may have written. */
  separate(): void;
  /** What comes next reads what the kernels at the start have written: a barrier, unless there was one since. */
  awaitStart(): void;
  /** All sums so far, behind a barrier. */
  flushSums(): void;
  /**
   * Adds up over all processes what each has left at some places, and puts their parts of some columns together: what
   * comes next reads it.
   */
  together(sums: readonly Numbers[], columns?: readonly Gathered[]): void;
  /**
   * Has what was emitted last, a sum, computed at once, and begins to add it up over all processes while the calls that
   * come are made.
   */
  beginSum(sum: Numbers): void;
}

/** An empty list. */
export function createCallList(): CallList {
  const calls: Call[] = [];
  const sums: Call[] = [];
  let last: Sharing | undefined;
  let isStartPending = false;
  let columns: Call[] = [];
  let isUnderWay = false;
  const push = (...added: readonly Call[]): void => {
    for (const call of added) calls.push(call, ...(isUnderWay ? [GO_ON] : []));
  };
  /** Splits the cache lines of all columns of a phase among workers: sets each call's first line and the total. */
  const shareColumns = (): void => {
    const at = ({ kernel }: Call, name: string): number =>
      SIGNATURES[kernel as KernelName].findIndex((each) => each === name);
    const lines = columns.map((call) => Math.ceil(call.args[at(call, 'columns')]! / COLUMNS_OF_LINE));
    const total = lines.reduce((sum, count) => sum + count, 0);
    let slot = 0;
    for (const [i, call] of columns.entries()) {
      call.args[at(call, 'slot')] = slot;
      call.args[at(call, 'slots')] = total;
      slot += lines[i]!;
    }
    columns = [];
  };
  const separate = (): void => {
    if (last === undefined) return;
    shareColumns();
    calls.push({ kernel: 'barrier', args: [], rowsAt: [] });
    last = undefined;
    isStartPending = false;
  };
  return {
    calls,
    separate,
    emit(kernel, args) {
      const values = SIGNATURES[kernel].map(
        (name): number | typeof ROWS => (args as Readonly<Record<string, number | typeof ROWS>>)[name] ?? 0,
      );
      const call: Call = {
        kernel,
        args: values.map((value) => (value === ROWS ? 0 : value)),
        rowsAt: values.flatMap((value, i) => (value === ROWS ? [i] : [])),
      };
      const sharing = sharingOf(kernel);
      if (sharing === 'sums') {
        sums.push(call);
        return;
      }
      if (sharing === 'start') isStartPending = true;
      else {
        if (last !== undefined && last !== sharing) separate();
        last = sharing;
      }
      if (sharing === 'columns') columns.push(call);
      push(call);
    },
    awaitStart() {
      if (isStartPending) separate();
    },
    together(sums, columns = []) {
      if (sums.length + columns.length === 0) return;
      separate();
      if (sums.length > 0)
        calls.push({ kernel: 'together', args: sums.flatMap(({ at, count }) => [at, count]), rowsAt: [] });
      if (columns.length > 0)
        calls.push({ kernel: 'gather', args: columns.flatMap(({ own, ld, all }) => [own, ld, all]), rowsAt: [] });
      calls.push({ kernel: 'barrier', args: [], rowsAt: [] });
      isStartPending = false;
    },
    beginSum({ at, count }) {
      separate();
      push(sums.pop()!);
      last = 'tables';
      separate();
      calls.push({ kernel: 'beginSum', args: [at, count], rowsAt: [] });
      isUnderWay = true;
    },
    flushSums() {
      separate();
      push(...sums.splice(0));
      last = 'tables';
    },
  };
}
