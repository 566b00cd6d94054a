/** The kernels that a plan may call, each with how its work is shared. */
export const KERNELS = {
  // Every worker has the same rows of a batch in all of these, so they follow each other without a barrier.
  gemm: 'rows',
  activate: 'rows',
  activateGradient: 'rows',
  binaryCrossEntropy: 'rows',
  clear: 'rows',
  copyColumns: 'rows',
  dice: 'rows',
  diceGradient: 'rows',
  dotRows: 'rows',
  dropout: 'rows',
  lookup: 'rows',
  multiply: 'rows',
  normaliseRunning: 'rows',
  prelu: 'rows',
  preluGradient: 'rows',
  productCrossEntropy: 'rows',
  scaleRows: 'rows',
  softmax: 'rows',
  softmaxGradient: 'rows',
  squaredError: 'rows',
  // Sums over the batch that nothing reads before the optimizer: they follow each other too.
  columnSums: 'sums',
  diceSlopes: 'sums',
  gemmGradient: 'sums',
  meanLoss: 'sums',
  preluSlope: 'sums',
  // Whole columns, which the next kernel reads by rows.
  normalise: 'columns',
  normaliseGradient: 'columns',
  transposePanels: 'panels',
  // Each table belongs to one worker.
  adamRows: 'tables',
  gatherGradients: 'tables',
  adamDense: 'weights',
} as const;
export type KernelName = keyof typeof KERNELS;

/** Stands for the number of rows of the batch among a call's arguments. */
export const ROWS = -1;

/** One kernel call; plain data, so that workers can be told. */
export interface Call {
  readonly kernel: KernelName | 'barrier';
  readonly args: number[];
}

/** Calls in their order, with the barriers that they need. */
export interface CallList {
  readonly calls: Call[];
  emit(kernel: KernelName, ...args: number[]): void;
}

/** An empty list. */
export function createCallList(): CallList {
  const calls: Call[] = [];
  let last: string | undefined;
  return {
    calls,
    emit(kernel, ...args) {
      const sharing = KERNELS[kernel];
      // Two batch norms may be one on the other; all else of one kind keeps to what its worker wrote itself.
      if (last !== undefined && (sharing !== last || sharing === 'columns')) calls.push({ kernel: 'barrier', args: [] });
      last = sharing;
      calls.push({ kernel, args });
    },
  };
}
