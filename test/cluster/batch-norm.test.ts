/** @module-tag long */
import { mapsOf } from '../support/batches.js';
import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import type { Batch } from '../../src/core/batch.js';
import type { Plan } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import { needsMpi, OPEN_MPI } from '../support/mpi.js';
import { optionsOf, together, trainedBy, type Training } from '../support/trained-together.js';

const [RATE, SCALE] = [0.01, 0.002];
/**
 * Summed losses, so that each rank's result counts its rows, and plain SGD, so that gradients add up. Number inputs
 * avoid a variance near 0.
 */
const WORK: Workload = {
  name: 'esmm',
  batchRows: 90,
  width: 6,
  numbers: ['D0', 'D1', 'D2', 'D3'],
  model: {
    name: 'esmm',
    ctrTower: { hidden: [9], activation: 'dice', batchNorm: true },
    cvrTower: { hidden: [8, 5], batchNorm: true },
  },
};
const SGD = { name: 'sgd', learningRate: RATE };

/** Batches of which three processes have 30 rows each, or some one row and others none. */
function training(steps: number): Training {
  const batchesWith = (batchRows: number, count: number): Batch[] => batchesOf({ ...WORK, batchRows }, count, SCALE);
  const plan: Plan = {
    ...planOf(WORK, SCALE),
    optimizers: { dense: denseOptimizers.schema.parse(SGD), embeddings: embeddingOptimizerSchema.parse(SGD) },
    dealtRows: 100,
    batchNorm: 'local',
  };
  return {
    plan,
    batches: [...batchesWith(90, 4), ...batchesWith(2, 1)],
    steps,
    evaluated: batchesWith(300, 1)[0]!,
    options: optionsOf({}),
  };
}

function rowsOf(batch: Batch, begin: number, end: number): Batch {
  const cut = <Column extends Uint32Array | Float32Array>(columns: ReadonlyMap<string, Column>): Map<string, Column> =>
    // a type per column
    new Map([...columns.keys()].map((name) => [name, columns.get(name)!.slice(begin, end) as Column]));
  return toBatch({
    rows: end - begin,
    ids: cut(mapsOf(batch).ids),
    bags: mapsOf(batch).bags,
    numbers: cut(mapsOf(batch).numbers),
    labels: cut(mapsOf(batch).labels),
  });
}

/**
 * Computes the weights after the steps from the gradients and statistics of each rank's rows, computed by one process.
 */
async function byParts(
  { plan, batches, steps }: Training,
  processes: number,
): Promise<ReadonlyMap<string, Float32Array>> {
  const program = createCpuEngine(1).compile(plan);
  const copied = () =>
    new Map([...program.state().weights].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
  let weights = copied();
  for (let step = 0; step < steps; step++) {
    const batch = batches[step % batches.length]!;
    const next = new Map(
      [...weights].map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }]),
    );
    for (let p = 0; p < processes; p++) {
      const [begin, end] = [Math.floor((batch.rows * p) / processes), Math.floor((batch.rows * (p + 1)) / processes)];
      if (begin === end) continue;
      const part = rowsOf(batch, begin, end);
      const share = part.rows / batch.rows;
      const restore = (): void => program.restore({ step: 0, weights, optimizer: new Map() });
      restore();
      for (const [name, { data }] of (await program.inspect(part)).gradients)
        for (let i = 0; i < data.length; i++) next.get(name)!.data[i]! -= RATE * share * data[i]!;
      restore();
      await program.trainStep(part, { rates: { dense: 0, embeddings: 0 } });
      // With rates of 0, a step changes running statistics only.
      for (const [name, { data }] of program.state().weights)
        for (let i = 0; i < data.length; i++)
          next.get(name)!.data[i]! += share * (data[i]! - weights.get(name)!.data[i]!);
    }
    weights = new Map([...next].map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }]));
  }
  program.dispose();
  return new Map([...weights].map(([name, { data }]) => [name, data]));
}

describe('local batch norm', { timeout: 120_000 }, () => {
  it.for([2, 3])(
    'equals separate passes over the parts of %i ranks, with shared statistics, reproducibly',
    async (processes, context) => {
      needsMpi(context, OPEN_MPI);
      const work = training(40);
      const once = await trainedBy(OPEN_MPI, processes, work);
      const all = together(once);
      let [most, moved] = [0, 0];
      for (const [name, expected] of await byParts(work, processes)) {
        const { data } = all.tensors.get(name)!;
        for (let i = 0; i < data.length; i++) most = Math.max(most, Math.abs(data[i]! - expected[i]!));
        if (name.endsWith('runningMean')) moved += data.reduce((sum, mean) => sum + Math.abs(mean), 0);
      }
      expect(most).toBeLessThan(1e-5);
      expect(moved).toBeGreaterThan(0);
      expect(await trainedBy(OPEN_MPI, processes, work)).toEqual(once);
    },
  );

  it('differs from global batch norm', async (context) => {
    needsMpi(context, OPEN_MPI);
    const { plan, ...work } = training(4);
    const { batchNorm, ...global } = plan;
    expect(batchNorm).toBe('local');
    const [own, all] = [
      together(await trainedBy(OPEN_MPI, 2, { plan, ...work })),
      together(await trainedBy(OPEN_MPI, 2, { plan: global, ...work })),
    ];
    const difference = [...own.tensors].reduce(
      (most, [name, { data }]) =>
        data.reduce((m, number, i) => Math.max(m, Math.abs(number - all.tensors.get(name)!.data[i]!)), most),
      0,
    );
    expect(difference).toBeGreaterThan(1e-4);
  });
});
