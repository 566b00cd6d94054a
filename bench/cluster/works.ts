import type { Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import { benchOptions } from '../results.js';
import { batchesOf, planOf, VOCABULARY, workloadName, WORKLOADS } from '../workloads.js';
import type { ClusterWork } from './jobs.js';

/** A workload of steps that several processes take. */
export interface NamedWork extends ClusterWork {
  readonly name: string;
  readonly batchRows: number;
}

/** Batches, which come again: so many steps, or several times as many, send what the model counts in these. */
const BATCHES = 24;
/** How much larger tables are than Ali-CCP's, where ids of all of them are as likely as each other. */
const LARGER = 2;

/** Steps of each, after as many others: by then, Node has compiled what they run. */
const STEPS: Readonly<Record<string, number>> = {
  'esmm-1024': 240,
  'esmm-4096': 72,
  'mmoe-wide-1024': 72,
  'esmm-paper-1024': 48,
};

/** Batches of other workloads at which it is asked how many machines pay. */
const OTHER_BATCHES: Readonly<Record<string, number>> = {
  'esmm-4096': 16_384,
  'mmoe-wide-1024': 8192,
  'esmm-paper-1024': 8192,
};

/** Workloads of some of which batches are larger. */
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
 * The workloads that are measured: those of the engine's bench, and one whose ids are drawn evenly from large tables,
 * so that hardly a row is asked for twice.
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
  return batches.map((batch) => ({
    ...batch,
    ids: new Map(
      [...batch.ids].map(([field, ids]) => [
        field,
        ids.map(() => random.below(Math.max(1, Math.round(VOCABULARY[field]! * LARGER)))),
      ]),
    ),
  }));
}
