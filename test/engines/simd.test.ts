/** @module-tag long */
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import type { Engine, Program } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { planSize } from '../../src/engines/plan-size.js';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { models } from '../../src/models/models.js';
import { withOptions } from '../support/other-options.js';
import { createTfjsEngine } from '../support/tfjs.js';

const SCALE = 0.002;

/**
 * A small workload of a model, with dropout and layers that end within a vector; its batch is large enough that steps
 * are shared.
 */
const workload = (name: (typeof models.names)[number], activation = 'relu'): Workload => ({
  name,
  batchRows: 300,
  width: 6,
  numbers: ['D0', 'D1'],
  model: withOptions(models.schema.parse({ name }), {
    hidden: (widths) =>
      Array.isArray(widths) ? (widths as number[]).map((width) => width + 2) : (widths as number) + 2,
    activation: () => activation,
    dropout: () => 0.2,
  }),
});

async function trained(engine: Engine, work: Workload, steps: number): Promise<Program> {
  const program = engine.compile(planOf(work, SCALE));
  const batches = batchesOf(work, 20, SCALE);
  for (let step = 0; step < steps; step++) await program.trainStep(batches[step % batches.length]!);
  return program;
}

const weightsOf = (program: Program): Map<string, Float32Array> =>
  new Map([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));

describe('the simd engine', () => {
  for (const name of models.names) {
    it(`has bitwise identical weights for 1, 2, 3 and 4 threads: ${name}`, async () => {
      const runs = [];
      for (const threads of [1, 2, 3, 4]) {
        const program = await trained(createCpuEngine(threads, true, { isPatient: true }), workload(name), 200);
        runs.push(weightsOf(program));
        program.dispose();
      }
      const [one, ...others] = runs;
      for (const other of others) expect(other).toEqual(one);
    });

    const tags = ['esmm', 'mmoe'].includes(name) ? [] : ['nightly'];
    it(`agrees with TensorFlow.js after 50 steps from its weights: ${name}`, { timeout: 300_000, tags }, async () => {
      // Large embeddings, an epsilon above rounding, and no kink at which rounding could matter.
      const work = workload(name, 'tanh');
      const start = createCpuEngine().compile(planOf(work, SCALE));
      const { weights, ...rest } = start.state();
      const large = new Map(
        [...weights].map(([tensor, { shape, data }]) => [
          tensor,
          { shape, data: tensor.startsWith('embeddings.') ? data.map((value) => value * 1000) : data.slice() },
        ]),
      );
      const plan = planOf(work, SCALE);
      const steady = {
        ...plan,
        optimizers: {
          dense: { ...plan.optimizers.dense, epsilon: 1e-3 },
          embeddings: { ...plan.optimizers.embeddings, epsilon: 1e-3 },
        },
      };
      const batches = batchesOf(work, 50, SCALE);
      const ends = [];
      for (const engine of [
        createCpuEngine(2, true, { isPatient: true }),
        createCpuEngine(1, false),
        await createTfjsEngine(),
      ]) {
        const program = engine.compile(steady);
        program.restore({ ...rest, weights: large });
        for (const batch of batches) await program.trainStep(batch);
        ends.push({ weights: weightsOf(program), predictions: await program.predict(batches[0]!) });
        program.dispose();
      }
      const oracle = ends.pop()!;
      for (const { weights, predictions } of ends) {
        for (const [tensor, expected] of oracle.weights) {
          const worst = Math.max(...expected.map((value, i) => Math.abs(value - weights.get(tensor)![i]!)));
          expect(worst, tensor).toBeLessThanOrEqual(1e-5);
        }
        for (const [task, expected] of oracle.predictions)
          expect(Math.max(...expected.map((p, b) => Math.abs(p - predictions.get(task)![b]!)))).toBeLessThanOrEqual(
            1e-5,
          );
      }
    });
  }

  it('allocates no memory during training', { timeout: 120_000 }, async () => {
    const work = { ...workload('esmm'), batchRows: 20 };
    const program = createCpuEngine().compile(planOf(work, SCALE));
    const batches = batchesOf(work, 50, SCALE);
    v8.setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const run = async (steps: number): Promise<NodeJS.MemoryUsage> => {
      for (let step = 0; step < steps; step++) await program.trainStep(batches[step % batches.length]!);
      collectGarbage();
      return process.memoryUsage();
    };
    const before = await run(2000);
    const after = await run(20_000);
    expect(after.rss - before.rss).toBeLessThan(16 * 2 ** 20);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(2 ** 20);
  });

  it('predicts a row identically in batches of any size, synchronously or not', async () => {
    const program = await trained(createCpuEngine(2, true, { isPatient: true }), workload('mmoe'), 3);
    const [large] = batchesOf({ ...workload('mmoe'), batchRows: 2500 }, 1, SCALE);
    const whole = await program.predict(large!);
    expect(whole.get('ctr')).toHaveLength(2500);
    const first = await program.predict({ ...large!, rows: 7 });
    expect(program.predictSync!({ ...large!, rows: 7 })).toEqual(first);
    expect([...first.get('ctr')!]).toEqual([...whole.get('ctr')!.subarray(0, 7)]);
    program.dispose();
  });

  it('computes the memory of a plan without allocating it', () => {
    const engine = createCpuEngine();
    const plan = planOf(workload('esmm'), SCALE);
    const { numWeights, numTableWeights, weightBytes, optimizerBytes, activationBytes } = planSize(plan, engine, 0);
    expect(weightBytes).toBe(4 * (numWeights + numTableWeights));
    expect(optimizerBytes).toBe(2 * weightBytes);
    // Twice the rows of a batch require about twice the memory.
    const twice =
      planSize({ ...plan, batchRows: 4096 }, engine, 0).activationBytes /
      planSize({ ...plan, batchRows: 2048 }, engine, 0).activationBytes;
    expect(twice).toBeGreaterThan(1.9);
    expect(twice).toBeLessThan(2.1);
    expect(activationBytes).toBeGreaterThan(0);
  });

  it('rejects a plan that exceeds one memory, with the fix', () => {
    expect(() =>
      planSize(planOf({ ...workload('esmm'), batchRows: 10_000_000 }, SCALE), createCpuEngine(), 0, 2 ** 40),
    ).toThrow(/a WebAssembly memory has at most 4\.0 GiB [^]*batchSize/);
  });

  it('does not limit tables to one memory', () => {
    const size = planSize(planOf(workload('esmm'), 600), createCpuEngine(), 0, 2 ** 40);
    expect(size.weightBytes + size.optimizerBytes).toBeGreaterThan(2 ** 35);
    expect(size.activationBytes).toBeLessThan(2 ** 28);
  });

  it('rejects a plan that exceeds the memory of the machine, including vocabularies', () => {
    expect(() => planSize(planOf(workload('esmm'), 60), createCpuEngine(), 0, 2 ** 20)).toThrow(
      /this machine has 0\.0 GiB \(largest tables.*'205' of 28037880 rows × 6 \(1\.9 GiB\)[^]*minCount/,
    );
    const plan = planOf(workload('esmm'), SCALE);
    expect(planSize(plan, createCpuEngine(), 2 ** 33, 2 ** 34).vocabularyBytes).toBe(2 ** 33);
    expect(() => planSize(plan, createCpuEngine(), 2 ** 34, 2 ** 34)).toThrow(
      /vocabularies require 16\.\d GiB, but this machine has 16\.0 GiB/,
    );
  });

  it('initializes no tables that are to be restored, and restores them', async () => {
    const source = await trained(createCpuEngine(), workload('esmm'), 3);
    const program = createCpuEngine().compile({ ...planOf(workload('esmm'), SCALE), isRestored: true });
    const tables = [...weightsOf(program)].filter(([name]) => name.startsWith('embeddings.'));
    expect(tables.length).toBeGreaterThan(20);
    for (const [, data] of tables) expect(data.every((value) => value === 0)).toBe(true);
    program.restore(source.state());
    expect(weightsOf(program)).toEqual(weightsOf(source));
    const [batch] = batchesOf(workload('esmm'), 1, SCALE);
    expect(await program.predict(batch!)).toEqual(await source.predict(batch!));
  });

  it('loads both builds of its kernels', () => {
    expect(loadKernels(false).isRelaxed).toBe(false);
    expect(loadKernels(true).isRelaxed).toBe(true);
  });
});
