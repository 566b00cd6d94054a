/** @module-tag long */
import { column } from '../../src/core/batch.js';
import { describe, expect, it } from 'vitest';
import type { Workload } from '../../bench/workloads.js';
import { planSize } from '../../src/engines/plan-size.js';
import { compile } from '../../src/engines/compile/compile.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../../src/core/process-group.js';
import { eachByNight } from '../support/each-by-night.js';
import { MPICH, needsMpi, OPEN_MPI } from '../support/mpi.js';
import { distance, together, trainedAlone, trainedBy, trainingOf } from '../support/trained-together.js';

/** Dropout, batch norm also within an activation, and tables whose sizes and widths are not multiples of a vector. */
const WORK: Workload = {
  name: 'mmoe',
  batchRows: 250,
  width: 6,
  numbers: ['D0', 'D1'],
  model: {
    name: 'mmoe',
    experts: { count: 3, hidden: [10], activation: 'dice', dropout: 0.2 },
    tower: { hidden: [9], activation: 'tanh' },
  },
};
/** The gradient of its first matrix is large enough to be reduced during the backward pass. */
const WIDE: Workload = {
  ...WORK,
  model: { name: 'mmoe', experts: { count: 3, hidden: [160] }, tower: { hidden: [9] } },
};
const BAGS: Workload = { ...WORK, bags: { '210': 2, '110_14': 6 }, embeddings: { name: 'row-wise-adagrad' } };

describe('several processes', { timeout: 300_000 }, () => {
  eachByNight([
    ['Open MPI', OPEN_MPI],
    ['MPICH', MPICH],
  ] as const)('of %s equal one process within 1e-5 after 200 steps, reproducibly', {}, async (_, mpi) => {
    const training = trainingOf(WORK);
    const alone = await trainedAlone(training);
    for (const processes of [2, 4]) {
      const once = await trainedBy(mpi, processes, training);
      expect(once[0]!.dealt!.size).toBeGreaterThan(0);
      expect(distance(alone, together(once))).toBeLessThan(1e-5);
      expect(await trainedBy(mpi, processes, training)).toEqual(once);
    }
  });

  it.for([
    ['small', WORK],
    ['wide', WIDE],
  ] as const)('are bitwise identical for any number of threads: %s model', async ([name, work], context) => {
    needsMpi(context, OPEN_MPI);
    const training = trainingOf(work, {}, 20);
    expect(compile({ ...training.plan, peers: { ...SINGLE_PROCESS, size: 2 } }).early !== undefined).toBe(
      name === 'wide',
    );
    expect(await trainedBy(OPEN_MPI, 2, training, 2)).toEqual(await trainedBy(OPEN_MPI, 2, training, 1));
  });

  // Clipping, EMA, accumulation and pooling apply to all rows; in a batch of three rows, some processes have none.
  it.each([
    ['bags', BAGS, {}],
    ['a wide layer', WIDE, {}],
    ['a clipped norm', WORK, { clip: { norm: 0.01, separate: false } }],
    ['separately clipped norms', WORK, { clip: { norm: 0.01, separate: true } }],
    ['an EMA', WORK, { average: { decay: 0.9 } }],
    ['accumulated passes', { ...WORK, batchRows: 64 }, { rows: 250 }],
  ] as const)('equal one process with %s', async (_, work, step) => {
    const training = trainingOf(work, step, 12, 3);
    const [alone, both] = [await trainedAlone(training), together(await trainedBy(OPEN_MPI, 4, training))];
    expect(distance(alone, both)).toBeLessThan(1e-5);
    for (const [s, { norms }] of both.found.entries()) {
      expect(norms.dense).toEqual(
        Number.isNaN(norms.dense) ? alone.found[s]!.norms.dense : expect.closeTo(alone.found[s]!.norms.dense, 3),
      );
    }
  });

  it.for([
    ['small', WORK],
    ['wide', WIDE],
  ] as const)('skip a step together and continue: %s model', async ([, work], context) => {
    needsMpi(context, OPEN_MPI);
    const training = trainingOf(work, {}, 4);
    // A row of rank 1.
    column(training.batches[2]!, 'D0', 'f32').data[200] = Infinity;
    const [alone, both] = [await trainedAlone(training), together(await trainedBy(OPEN_MPI, 2, training))];
    expect(both.step).toBe(3);
    expect(both.found.map(({ losses }) => losses.every(({ mean }) => Number.isFinite(mean)))).toEqual([
      true,
      true,
      false,
      true,
    ]);
    expect(distance({ ...alone, found: [] }, { ...both, found: [] })).toBeLessThan(1e-5);
  });

  it('report the size of the shards of a rank', () => {
    const { plan } = trainingOf(WORK);
    const sizeOf = (peers: ProcessGroup) => planSize({ ...plan, peers }, createCpuEngine(1), 0);
    const alone = sizeOf(SINGLE_PROCESS);
    const each = [0, 1, 2].map((rank) => sizeOf({ ...SINGLE_PROCESS, rank, size: 3 }));
    const dealtBytes = plan.layout.tables.reduce(
      (sum, { rows, width }) => sum + (rows >= 100 ? 4 * rows * width : 0),
      0,
    );
    const all = (bytes: 'weightBytes' | 'optimizerBytes'): number => each.reduce((sum, size) => sum + size[bytes], 0);
    expect(dealtBytes).toBeGreaterThan(alone.weightBytes / 2);
    expect(all('weightBytes')).toBe(3 * alone.weightBytes - 2 * dealtBytes);
    // Adam stores two moments.
    expect(all('optimizerBytes')).toBe(3 * alone.optimizerBytes - 2 * 2 * dealtBytes);
    for (const { numTableRows, numTableWeights } of each)
      expect({ numTableRows, numTableWeights }).toEqual({
        numTableRows: alone.numTableRows,
        numTableWeights: alone.numTableWeights,
      });
  });

  it('restore the rows of their shard from a full state', () => {
    const { plan } = trainingOf(WORK);
    const alone = createCpuEngine(1).compile(plan);
    const saved = alone.state();
    const one = createCpuEngine(1).compile({ ...plan, seed: 2, peers: { ...SINGLE_PROCESS, rank: 1, size: 3 } });
    one.restore(saved);
    const { weights, dealt } = one.state();
    const [name] = dealt!.keys();
    const [all, own] = [saved.weights.get(name!)!, weights.get(name!)!];
    const width = all.shape[1]!;
    expect(own.shape).toEqual([Math.ceil((all.shape[0]! - 1) / 3), width]);
    for (let row = 0; row < own.shape[0]!; row++)
      expect(own.data.subarray(row * width, (row + 1) * width)).toEqual(
        all.data.subarray((3 * row + 1) * width, (3 * row + 2) * width),
      );
    expect(() => one.restore({ ...saved, weights: new Map([...saved.weights, [name!, own]]) })).toThrow(
      /expected shape/,
    );
  });
});
