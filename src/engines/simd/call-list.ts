/** The kernels that a plan may call, each with how its work is shared. */
const KERNELS = {
  // Every worker has the same rows of a batch in all of these, so they follow each other without a barrier.
  gemm: 'rows',
  activate: 'rows',
  activateGradient: 'rows',
  binaryCrossEntropy: 'rows',
  checkFinite: 'rows',
  clear: 'rows',
  copyColumns: 'rows',
  dice: 'rows',
  diceGradient: 'rows',
  dotRows: 'rows',
  dropout: 'rows',
  lookup: 'rows',
  lookupBags: 'rows',
  multiply: 'rows',
  normaliseRunning: 'rows',
  prelu: 'rows',
  poolingFactors: 'rows',
  preluGradient: 'rows',
  productCrossEntropy: 'rows',
  scaleRows: 'rows',
  softmax: 'rows',
  softmaxGradient: 'rows',
  squaredError: 'rows',
  // Sums over the batch that nothing reads before the optimizer: they wait for the end of the way back.
  columnSums: 'sums',
  diceSlopes: 'sums',
  gemmGradient: 'sums',
  meanLoss: 'sums',
  preluSlope: 'sums',
  // Whole columns, which the next kernel reads by rows; the last argument is their number.
  normalise: 'columns',
  normaliseGradient: 'columns',
  // They read what the step before left, and what they write is read behind a barrier.
  releaseTables: 'start',
  transposePanels: 'start',
  // A table is done by the worker that takes it first. The slowest sums and the largest tables may meet: none reads the other.
  adamRows: 'tables',
  gatherBagGradients: 'tables',
  gatherGradients: 'tables',
  adamDense: 'weights',
} as const;
export type KernelName = keyof typeof KERNELS;

/** Stands for the number of rows of the batch among a call's arguments. */
export const ROWS = -1;

const COLUMNS_OF_LINE = 16;

/** One kernel call; plain data, so that workers can be told. */
export interface Call {
  readonly kernel: KernelName | 'barrier';
  readonly args: number[];
}

/** Calls in their order, with the barriers that they need. */
export interface CallList {
  readonly calls: Call[];
  emit(kernel: KernelName, ...args: number[]): void;
  /** What comes next reads what any worker may have written. */
  separate(): void;
  /** What comes next reads what the kernels at the start have written: a barrier, unless there was one since. */
  awaitStart(): void;
  /** All sums so far, behind a barrier. */
  flushSums(): void;
}

/** An empty list. */
export function createCallList(): CallList {
  const calls: Call[] = [];
  const sums: Call[] = [];
  let last: string | undefined;
  let isStartPending = false;
  let columns: Call[] = [];
  /** Workers share the cache lines of all columns of a phase: each call is told where its own stand, and how many there are. */
  const shareColumns = (): void => {
    const lines = columns.map(({ args }) => Math.ceil(args.at(-1)! / COLUMNS_OF_LINE));
    const total = lines.reduce((sum, count) => sum + count, 0);
    let slot = 0;
    for (const [i, { args }] of columns.entries()) {
      args.splice(-1, 1, slot, total);
      slot += lines[i]!;
    }
    columns = [];
  };
  const separate = (): void => {
    if (last === undefined) return;
    shareColumns();
    calls.push({ kernel: 'barrier', args: [] });
    last = undefined;
    isStartPending = false;
  };
  return {
    calls,
    separate,
    emit(kernel, ...args) {
      const sharing = KERNELS[kernel];
      if (sharing === 'sums') {
        sums.push({ kernel, args });
        return;
      }
      if (sharing === 'start') isStartPending = true;
      else {
        if (last !== undefined && last !== sharing) separate();
        last = sharing;
      }
      const call = { kernel, args };
      if (sharing === 'columns') columns.push(call);
      calls.push(call);
    },
    awaitStart() {
      if (isStartPending) separate();
    },
    flushSums() {
      separate();
      calls.push(...sums.splice(0));
      last = 'tables';
    },
  };
}
