import { mapsOf, withMaps } from '../../test/support/batches.js';
import type { Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import { benchOptions } from '../results.js';
import { batchesOf, planOf, VOCABULARY, workloadName, WORKLOADS } from '../workloads.js';
import type { ClusterWork } from './jobs.js';

/** A distributed training workload with a name. */
export interface NamedWork extends ClusterWork {
  readonly name: string;
  readonly batchRows: number;
}

/** Distinct batches, repeated; the model counts what these send. */
const BATCHES = 24;
/** Factor by which the uniform workload's tables exceed Ali-CCP's. */
const LARGER = 2;

/** Measured steps, after as many warm-up steps. */
const STEPS: Readonly<Record<string, number>> = {
  'esmm-1024': 240,
  'esmm-4096': 72,
  'mmoe-wide-1024': 72,
  'esmm-paper-1024': 48,
};

/** Larger batch sizes for the speedup table. */
const OTHER_BATCHES: Readonly<Record<string, number>> = {
  'esmm-4096': 16_384,
  'mmoe-wide-1024': 8192,
  'esmm-paper-1024': 8192,
};

/** Workloads for the speedup table, some with larger batches. */
export function payingWorks(): readonly NamedWork[] {
  return clusterWorks().flatMap((work) => {
    const batchRows = OTHER_BATCHES[work.name];
    if (batchRows === undefined) return [work];
    const base = WORKLOADS.find((each) => workloadName(each) === work.name)!;
    const larger = { ...base, batchRows };
    return [
      work,
      {
        name: workloadName(larger),
        batchRows,
        plan: planOf(larger),
        batches: batchesOf(larger, 8),
        warmUp: 16,
        steps: 16,
      },
    ];
  });
}

/**
 * Measured workloads: those of the engine benchmark, and one with uniform ids in large tables, where hardly any row
 * repeats.
 */
export function clusterWorks(): readonly NamedWork[] {
  const { only } = benchOptions();
  const works = WORKLOADS.filter((work) => workloadName(work) in STEPS).map((work): NamedWork => {
    const name = workloadName(work);
    return {
      name,
      batchRows: work.batchRows,
      plan: planOf(work),
      batches: batchesOf(work, BATCHES),
      warmUp: STEPS[name]!,
      steps: STEPS[name]!,
    };
  });
  const base = WORKLOADS.find((work) => workloadName(work) === 'esmm-1024')!;
  const large: NamedWork = {
    ...works.find(({ name }) => name === 'esmm-1024')!,
    name: 'esmm-1024-even',
    plan: planOf(base, LARGER),
    batches: drawnEvenly(batchesOf(base, BATCHES, LARGER)),
  };
  const all = [...works, large];
  const unknown = only.filter((name) => all.every((work) => work.name !== name));
  if (unknown.length > 0)
    throw new Error(`no workload '${unknown.join("', '")}'; there are ${all.map(({ name }) => name).join(', ')}`);
  return all.filter(({ name }) => only.length === 0 || only.includes(name));
}

function drawnEvenly(batches: readonly Batch[]): readonly Batch[] {
  const random = randomStream(0, 'bench', 'even');
  return batches.map((batch) =>
    withMaps(batch, {
      ids: new Map(
        [...mapsOf(batch).ids].map(([field, ids]) => [
          field,
          ids.map(() => random.below(Math.max(1, Math.round(VOCABULARY[field]! * LARGER)))),
        ]),
      ),
    }),
  );
}
