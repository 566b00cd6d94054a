import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it, vi } from 'vitest';
import { batchesOf, planOf as planOfWorkload, WORKLOADS } from '../../bench/workloads.js';
import { loadConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import type { Engine } from '../../src/engines/engine.js';
import type { EngineOptions } from '../../src/engines/engines.js';
import type { Precision } from '../../src/engines/precision.js';
import { readBinding } from '../../src/engines/tfjs/binding.js';
import type { GraphBuilder } from '../../src/graph/builder.js';
import { tower as towerOf } from '../../src/graph/mlp.js';
import type { Value } from '../../src/graph/operations.js';
import { train } from '../../src/train.js';
import { numericBatch, planOf } from '../support/graph-plan.js';
import { scratchFolder } from '../support/scratch.js';
import { createTfjsEngine } from '../support/tfjs.js';

vi.mock('../../src/engines/engines.js', () => ({
  withEngine: async (_options: EngineOptions, _precision: Precision, work: (engine: Engine) => Promise<unknown>) =>
    work(await createTfjsEngine()),
}));

/** Where TensorFlow itself is; npm run test:tensorflow says. */
const folder = process.env['MTL_TENSORFLOW'];
const root = join(import.meta.dirname, '..', '..');

/** The parts of TensorFlow's backend that this looks at. */
interface NativeBackend {
  binding: Readonly<Record<string, (...args: unknown[]) => unknown>>;
  numDataIds(): number;
}
const backend = (): NativeBackend => tf.backend() as unknown as NativeBackend;

/** Counts what is asked of the addon meanwhile. */
async function counted(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const { binding } = backend();
  const counts = { executeOp: 0, createTensor: 0, tensorDataSync: 0 };
  const counting = Object.fromEntries(Object.getOwnPropertyNames(binding).map((name) => [name, binding[name]!]));
  for (const name of Object.keys(counts) as (keyof typeof counts)[]) {
    counting[name] = (...args) => {
      counts[name]++;
      return binding[name]!(...args);
    };
  }
  backend().binding = counting;
  await work();
  backend().binding = binding;
  return counts;
}

/**
 * A small model with all that a step can leave behind: statistics, a mask that is drawn, a loss that counts some rows.
 */
const tower = (g: GraphBuilder, input: Value, y: Value) => {
  const out = towerOf(g, input, { hidden: [4], activation: 'relu', dropout: 0.3, batchNorm: true }, 't');
  return {
    predictions: { p: g.activation(out, 'sigmoid', 'p') },
    terms: [
      {
        name: 'p',
        weight: 1,
        loss: g.binaryCrossEntropy(out, y, { mask: g.input({ kind: 'label', column: 'mask' }, 1) }),
      },
    ],
  };
};
const esmm = WORKLOADS.find(({ name, batchRows }) => name === 'esmm' && batchRows === 1024)!;

/** Runs the command with a cache of its own. */
function mtl(
  cache: string,
  ...args: readonly string[]
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, [join(root, 'bin', 'mtl.js'), ...args], {
    encoding: 'utf8',
    cwd: scratchFolder(),
    env: { ...process.env, XDG_CACHE_HOME: cache },
  });
}

describe.skipIf(folder === undefined)('TensorFlow itself, which npm run test:tensorflow brings', () => {
  it('is what computes', async () => {
    await createTfjsEngine();
    expect(tf.getBackend()).toBe('tensorflow');
    expect(backend().binding['TF_Version']).toMatch(/^\d+\.\d+/);
    expect(readBinding(folder!)).toEqual({
      package: '@tensorflow/tfjs-node-gpu@4.22.0',
      source: { requirement: 'tensorflow-cpu' },
      library: 'python/tensorflow/libtensorflow_cc.so.2',
    });
  });

  it('is asked for so many operations, uploads and reads in a step of esmm', async () => {
    const program = (await createTfjsEngine()).compile(planOfWorkload(esmm, 0.001));
    const batch = batchesOf(esmm, 1, 0.001)[0]!;
    await program.trainStep(batch);
    expect(await counted(() => program.trainStep(batch))).toEqual({
      executeOp: 178,
      createTensor: 61,
      tensorDataSync: 1,
    });
    program.dispose();
  });

  it('holds no more after ten thousand steps than after the first', async () => {
    const program = (await createTfjsEngine()).compile(planOf(3, tower));
    const batches = [1, 2, 3, 4].map((seed) => numericBatch(16, 3, seed));
    const steps = async (count: number): Promise<number> => {
      for (let step = 0; step < count; step++) await program.trainStep(batches[step % batches.length]!);
      // Tensors lie outside of V8's heap, which holds garbage of its own for as long as it likes.
      const { rss, heapTotal } = process.memoryUsage();
      return rss - heapTotal;
    };
    // What grows at first is what is allocated once.
    const settled = await steps(2000);
    const [tensors, held] = [tf.memory().numTensors, backend().numDataIds()];
    // A leak of the smallest tensor a step would be several kilobytes a step.
    expect((await steps(10_000)) - settled).toBeLessThan(16 * 2 ** 20);
    expect([tf.memory().numTensors, backend().numDataIds()]).toEqual([tensors, held]);
    program.dispose();
  });

  it.each(['esmm', 'mmoe'])('trains configs/%s.yaml along the curve of the kernels', async (name) => {
    const set = [
      `data.train=${join(root, 'data', 'sample', 'valid.csv')}`,
      `data.valid=${join(root, 'data', 'sample', 'valid.csv')}`,
      'data.test=null',
      'training.epochs=2',
      'training.earlyStopping=null',
      `data.cache=${scratchFolder()}`,
    ];
    const losses: number[] = [];
    const ignore = (): undefined => undefined;
    await train(
      await loadConfig(join(root, 'configs', `${name}.yaml`), set.map(parseOverride)),
      { device: 'cpu', runDir: join(scratchFolder(), 'run'), overrides: set, signal: new AbortController().signal },
      {
        onRead: ignore,
        onWarning: ignore,
        onStart: ignore,
        onStep: ignore,
        onValidation: ({ loss, valid }) => void losses.push(...Object.values(loss.losses), valid!.loss),
      },
    );
    const curve = [...readFileSync(join(root, 'test', 'golden', `${name}.txt`), 'utf8').matchAll(/\d+\.\d{4}/g)].map(
      ([number]) => Number(number),
    );
    expect(losses).toHaveLength(curve.length);
    losses.forEach((loss, i) => expect(Math.abs(loss - curve[i]!)).toBeLessThan(2e-4));
  });

  it('is set up by the command against a library that is there, and found from then on', () => {
    const cache = scratchFolder();
    const library = join(folder!, 'python', 'tensorflow');
    const begun = mtl(cache, 'setup', 'cuda', '--libtensorflow', library, '--json');
    const made = { folder: join(cache, 'mtl', 'tensorflow', 'cuda'), source: { path: library }, hasGpu: false };
    expect([begun.status, JSON.parse(begun.stdout)]).toEqual([
      0,
      expect.objectContaining({ ...made, isNew: true }) as object,
    ]);
    expect(begun.stderr).toMatch(
      /^running 'npm install --ignore-scripts .*\n(.|\n)*building the addon with .* for .*libtensorflow_cc\.so\.2\n(.|\n)*finds no CUDA GPU/,
    );
    expect(JSON.parse(mtl(cache, 'setup', 'cuda', '--libtensorflow', library, '--json').stdout)).toMatchObject({
      ...made,
      isNew: false,
    });
    expect(mtl(cache, 'doctor').stdout).toContain('TensorFlow loads but finds no CUDA GPU');
  });
});
