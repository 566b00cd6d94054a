import { HERE, stepsMirrored, stepsTogether, writeWork } from './jobs.js';
import { linkOf, shapeOf, stepMs, totalOf, type Link } from './model.js';
import { splitOf, workOf } from './split.js';
import type { NamedWork } from './works.js';

/** Speedup of several machines over one, as the model predicts it. */
export interface Paying {
  readonly workload: string;
  readonly machines: number;
  readonly aloneMs: number;
  /** Of one machine, without exchanges. */
  readonly workMs: number;
  readonly sentBytes: number;
  readonly exchanges: number;
  /** Speedup by network. */
  readonly speedups: readonly number[];
}

/** Dedicated networks (TCP or better). Headers leave about 94% of the nominal rate. */
export const NETWORKS: readonly { readonly name: string; readonly link: Link }[] = [
  { name: '1 Gbit/s, 50 µs', link: linkOf(0.05, 0.94) },
  { name: '10 Gbit/s, 30 µs', link: linkOf(0.03, 9.4) },
  { name: '100 Gbit/s, 5 µs', link: linkOf(0.005, 94) },
];
const MACHINES = [2, 4, 8];

/**
 * Finds the batch sizes at which more machines are faster; measures each machine's work here, one after the other, on
 * all cores.
 */
export async function payingOf(work: NamedWork, folder: string, threads: number): Promise<readonly Paying[]> {
  const path = writeWork(folder, `paying-${work.name}`, work);
  const { stepMs: aloneMs } = splitOf(await stepsTogether(HERE, 1, path, threads));
  const found: Paying[] = [];
  for (const machines of MACHINES) {
    const shape = shapeOf(work.plan, work.batches.slice(0, 4), machines);
    const ofEach = workOf(await stepsMirrored(1, path, threads, machines));
    const { bytes: sentBytes, exchanges } = totalOf(shape);
    found.push({
      workload: work.name,
      machines,
      aloneMs,
      workMs: ofEach.workMs,
      sentBytes,
      exchanges,
      speedups: NETWORKS.map(({ link }) => aloneMs / stepMs(ofEach, shape, link)),
    });
  }
  return found;
}
