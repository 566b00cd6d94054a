import { createCpuEngine } from '../src/engines/cpu/engine.js';
import type { Call } from '../src/engines/compile/call-list.js';
import { batchesOf, planOf, stepperOf, type Workload } from './workloads.js';

// Time of a training step by phase, on the first thread. Reading the clock takes a microsecond per call.

type Kernel = Call['kernel'];

/** Kernels of each phase; all others count as the last phase. */
const PHASES = {
  lookup: ['lookup', 'lookupBags', 'poolingFactors', 'copyColumns'],
  products: ['gemm', 'gemmGradient', 'gemmBf16', 'gemmGradientBf16', 'transposePanels', 'columnSums'],
  norms: ['normalize', 'normalizeGradient'],
  losses: [
    'productLogit',
    'productLogitGradient',
    'binaryCrossEntropy',
    'squaredError',
    'mean',
    'meanLoss',
    'checkFinite',
    'refuseUnlessFinite',
  ],
  'distinct rows': ['gatherGradients', 'gatherBagGradients', 'clearRows', 'findRows', 'numberRows', 'addGradients'],
  waiting: ['barrier'],
} as const satisfies Record<string, readonly Kernel[]>;
const OTHER = 'elementwise';
/** Kernels of optimizer updates, by the end of their names. */
const UPDATES = { Table: 'rows of tables', Dense: 'dense weights' } as const;
const updateOf = (kernel: Kernel): string | undefined =>
  Object.entries(UPDATES).find(([ending]) => kernel.endsWith(ending))?.[1];

/** Returns milliseconds per training step by phase: means over the second half of the steps. */
export async function phasesOf(work: Workload, threads: number, steps: number): Promise<ReadonlyMap<string, number>> {
  const phaseOf = new Map<string, string>(
    Object.entries(PHASES).flatMap(([phase, kernels]) => kernels.map((kernel) => [kernel, phase] as const)),
  );
  const totals = new Map<string, number>(
    [...Object.keys(PHASES), ...Object.values(UPDATES), OTHER].map((phase) => [phase, 0]),
  );
  await observeCalls(work, threads, steps, 100, (kernel, elapsedMs, isCounted) => {
    const phase = phaseOf.get(kernel) ?? updateOf(kernel) ?? OTHER;
    if (isCounted) totals.set(phase, totals.get(phase)! + elapsedMs);
  });
  return new Map([...totals].map(([phase, ms]) => [phase, ms / (steps - (steps >> 1))]));
}

/**
 * Runs training steps on up to `numBatches` batches, and reports the calls of this thread with their milliseconds. The
 * second half of the steps counts.
 */
export async function observeCalls(
  work: Workload,
  threads: number,
  steps: number,
  numBatches: number,
  onCall: (kernel: Kernel, elapsedMs: number, isCounted: boolean) => void,
): Promise<void> {
  let isCounted = false;
  const plan = planOf(work);
  const observed = { onCall: (kernel: Kernel, elapsedMs: number): void => onCall(kernel, elapsedMs, isCounted) };
  const program = createCpuEngine(threads, true, observed).compile(plan);
  const take = stepperOf(work, program, plan);
  const batches = batchesOf(work, Math.min(steps, numBatches));
  for (let step = 0; step < steps; step++) {
    isCounted = step >= steps >> 1;
    await take(batches[step % batches.length]!, step);
  }
  program.dispose();
}
