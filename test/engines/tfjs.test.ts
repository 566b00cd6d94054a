import * as tf from '@tensorflow/tfjs';
import { describe, expect, it, vi } from 'vitest';
import { batchesOf, planOf as planOfWorkload, WORKLOADS } from '../../bench/workloads.js';
import { createEngine } from '../../src/engines/engines.js';
import type { GraphBuilder } from '../../src/graph/builder.js';
import { tower } from '../../src/graph/mlp.js';
import type { Value } from '../../src/graph/operations.js';
import { UserError } from '../../src/core/errors.js';
import { numericBatch, planOf } from '../support/graph-plan.js';
import { createTfjsEngine } from '../support/tfjs.js';

const nativePackage: string = '@tensorflow/tfjs-node-gpu';
const hasNative = await import(nativePackage).then(
  () => true,
  () => false,
);

const build = (g: GraphBuilder, input: Value, y: Value) => {
  const out = tower(g, input, { hidden: [4], activation: 'relu', dropout: 0.3, batchNorm: true }, 't');
  return {
    predictions: { p: g.activation(out, 'sigmoid', 'p') },
    terms: [{ name: 'p', weight: 1, loss: g.binaryCrossEntropy(out, y) }],
  };
};

describe('the tfjs engine', () => {
  it('leaks no tensors in a thousand steps', { tags: ['long'] }, async () => {
    const program = (await createTfjsEngine()).compile(planOf(3, build));
    const batch = numericBatch(8, 3);
    await program.trainStep(batch);
    const before = tf.memory();
    for (let step = 0; step < 1000; step++) {
      await program.trainStep(batch);
      if (step % 10 === 0) await program.predict(batch);
    }
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
  });

  it('has the same weights for the same seed, and others for another seed', async () => {
    const trained = async (seed: number) => {
      const program = (await createTfjsEngine()).compile({ ...planOf(3, build), seed });
      for (let step = 0; step < 5; step++) await program.trainStep(numericBatch(8, 3, step));
      return [...program.state().weights].map(([name, { data }]) => [name, [...data]]);
    };
    expect(await trained(1)).toEqual(await trained(1));
    expect(await trained(1)).not.toEqual(await trained(2));
  });

  it('predicts a row identically in any batch, and prediction changes no weights', async () => {
    const program = (await createTfjsEngine()).compile(planOf(3, build));
    await program.trainStep(numericBatch(16, 3));
    const batch = numericBatch(8, 3, 5);
    const before = [...program.state().weights.values()].map(({ data }) => [...data]);
    const all = (await program.predict(batch)).get('p')!;
    const first = (await program.predict({ ...batch, rows: 1 })).get('p')!;
    expect(first).toHaveLength(1);
    expect(first[0]).toBe(all[0]);
    expect([...program.state().weights.values()].map(({ data }) => [...data])).toEqual(before);
  });

  it('trains on a batch of one row, whose variance is undefined', async () => {
    const program = (await createTfjsEngine()).compile(planOf(3, build));
    for (let step = 0; step < 5; step++) await program.trainStep(numericBatch(1, 3, step));
    expect([...program.state().weights.get('t.0.norm.runningVariance')!.data]).toEqual([1, 1, 1, 1]);
    for (const { data } of program.state().weights.values()) expect(data.every(Number.isFinite)).toBe(true);
  });

  it('restores weights and optimizer state, and training continues as if uninterrupted', async () => {
    const straight = (await createTfjsEngine()).compile(planOf(3, build));
    for (let step = 0; step < 6; step++) await straight.trainStep(numericBatch(8, 3, step));
    const first = (await createTfjsEngine()).compile(planOf(3, build));
    for (let step = 0; step < 3; step++) await first.trainStep(numericBatch(8, 3, step));
    const second = (await createTfjsEngine()).compile({ ...planOf(3, build) });
    second.restore(first.state());
    for (let step = 3; step < 6; step++) await second.trainStep(numericBatch(8, 3, step));
    expect([...second.state().weights]).toEqual([...straight.state().weights]);
  });

  // TensorFlow itself creates more, which test/tensorflow counts.
  it.skipIf(process.env['MTL_TENSORFLOW'] !== undefined)(
    'uploads no constant ones, and reads from the device once per step',
    async () => {
      const work = WORKLOADS.find(({ name, batchRows }) => name === 'esmm' && batchRows === 1024)!;
      const program = (await createTfjsEngine()).compile(planOfWorkload(work, 0.001));
      const batch = batchesOf(work, 1, 0.001)[0]!;
      await program.trainStep(batch);
      const [operations, uploads, reads] = [
        vi.spyOn(tf.engine(), 'runKernel'),
        vi.spyOn(tf.engine(), 'makeTensor'),
        vi.spyOn(tf.backend(), 'read'),
      ];
      await program.trainStep(batch);
      // Input, two labels, 20 parameters, and the weights of two losses; 1 is the initial gradient.
      expect(uploads.mock.calls.map(([values]) => (values as Float32Array).length).sort((a, b) => a - b)).toEqual([
        1, 1, 1, 1, 1, 8, 8, 8, 8, 8, 8, 8, 8, 16, 16, 16, 16, 16, 16, 128, 128, 1024, 1024, 5888, 5888, 376832,
      ]);
      expect(reads).toHaveBeenCalledTimes(1);
      expect(operations.mock.calls.filter(([name]) => name !== 'Identity')).toHaveLength(162);
      vi.restoreAllMocks();
      program.dispose();
    },
  );

  it('reports every mismatched tensor when it restores', async () => {
    const program = (await createTfjsEngine()).compile(planOf(3, build));
    const other = (await createTfjsEngine()).compile(planOf(4, build));
    expect(() => program.restore(other.state())).toThrow(/t\.0\.weight.*expected shape \[3, 4\], found \[4, 4\]/);
    const weights = new Map(program.state().weights);
    weights.delete('t.out.bias');
    weights.set('extra', { shape: [1], data: new Float32Array(1) });
    expect(() => program.restore({ step: 0, weights, optimizer: new Map() })).toThrow(/t\.out\.bias(.|\n)*extra/);
  });
});

describe('a CUDA GPU', () => {
  it.skipIf(hasNative)('falls back to the CPU engine if the native package does not load', async () => {
    expect((await createEngine({ device: 'auto' })).name).toBe('simd');
    expect((await createEngine({ device: 'auto' }, 'bf16')).precisions).toContain('bf16');
    expect((await createEngine({ device: 'cpu', threads: 1 })).description).toMatch(
      /^(native kernels for|WebAssembly SIMD).*, 1 thread$/,
    );
  });

  it.skipIf(hasNative)('is rejected with the missing package if requested', async () => {
    const error = await createEngine({ device: 'cuda' }).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).exitCode).toBe(2);
    expect((error as UserError).message).toMatch(/tfjs-node-gpu does not load \(.+\); run npx mtl setup cuda/s);
  });
});
