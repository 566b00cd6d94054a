/** @module-tag nightly */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it, vi } from 'vitest';
import type * as checkpoints from '../../src/runs/checkpoint.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, smallWorld, trainSmall } from '../support/small-run.js';

/** What was read of the checkpoint that is gone on from. */
const read: WeakRef<Float32Array>[] = [];
vi.mock('../../src/runs/checkpoint.js', async (original) => {
  const real = await original<typeof checkpoints>();
  const readNewestCheckpoint: typeof checkpoints.readNewestCheckpoint = async (...args) => {
    const found = await real.readNewestCheckpoint(...args);
    const { weights, optimizer } = found.checkpoint!.program;
    for (const { data } of [...weights.values(), ...optimizer.values()]) read.push(new WeakRef(data));
    return found;
  };
  return { ...real, readNewestCheckpoint };
});

it('a resumed run releases its checkpoint from memory once it trains', async () => {
  v8.setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const folder = scratchFolder();
  mkdirSync(join(folder, 'world'));
  await smallWorld(join(folder, 'world'));
  const config = join(folder, 'world', 'esmm.yaml');
  const { signal, on } = abortAtStep(3);
  await trainSmall(config, { runDir: join(folder, 'run'), signal, on });
  let kept: number | undefined;
  const onStep = (): void => {
    if (kept !== undefined) return;
    collectGarbage();
    kept = read.filter((tensor) => tensor.deref() !== undefined).length;
  };
  await trainSmall(config, { resume: join(folder, 'run'), set: ['training.epochs=1'], on: { onStep } });
  expect(read.length).toBeGreaterThan(10);
  expect(kept).toBe(0);
});
