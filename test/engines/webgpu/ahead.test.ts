/** @module-tag long */
import { mapsOf, withMaps } from '../../support/batches.js';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../../bench/workloads.js';
import { column, type Batch } from '../../../src/core/batch.js';
import { createWebGpuEngine } from '../../../src/engines/webgpu/engine.js';
import type { Program, StepResult } from '../../../src/engines/engine.js';
import { gpu } from '../../support/webgpu.js';

const SCALE = 0.002;
const layer = (...hidden: number[]): object => ({ hidden, activation: 'dice', dropout: 0.2 });
const work: Workload = {
  name: 'mmoe',
  batchRows: 60,
  width: 4,
  numbers: ['D0'],
  bags: { '210': 3 },
  model: { name: 'mmoe', experts: { count: 2, ...layer(8) }, tower: layer(8) },
};
const batches = batchesOf(work, 53, SCALE);
const compiled = (): Program =>
  createWebGpuEngine(gpu!).compile({
    ...planOf(work, SCALE),
    step: { clip: { norm: 0.5, separate: true }, average: { decay: 0.9 } },
  });

async function held(program: Program): Promise<object> {
  await program.readBack!();
  const { step, weights, optimizer } = program.state();
  const copy = (tensors: typeof weights): object =>
    Object.fromEntries([...tensors].map(([name, { data }]) => [name, data.slice()]));
  return { step, weights: copy(weights), optimizer: copy(optimizer) };
}

/** Takes steps like a loop that keeps the maximum number of steps in flight. */
async function takeAhead(program: Program, given: readonly Batch[]): Promise<StepResult[]> {
  const [begun, results] = [[] as Promise<StepResult>[], [] as StepResult[]];
  for (const batch of given) {
    begun.push(program.trainStep(batch, { isAhead: true }));
    if (begun.length === program.stepsAhead) results.push(await begun.shift()!);
  }
  await program.catchUp!();
  return [...results, ...(await Promise.all(begun))];
}

describe.skipIf(gpu === undefined)('prefetched steps on WebGPU', () => {
  it('are bitwise identical to single steps, with the same losses and norms', async () => {
    const [ahead, alone] = [compiled(), compiled()];
    const found = await takeAhead(ahead, batches);
    const expected: StepResult[] = [];
    for (const batch of batches) expected.push(await alone.trainStep(batch));
    expect(found.map(({ losses, norms }) => ({ losses, norms }))).toEqual(
      expected.map(({ losses, norms }) => ({ losses, norms })),
    );
    expect(await held(ahead)).toEqual(await held(alone));
    // Predictions between steps.
    expect(await ahead.predict(batches[0]!)).toEqual(await alone.predict(batches[0]!));
    await takeAhead(ahead, batches.slice(0, 3));
    for (const batch of batches.slice(0, 3)) await alone.trainStep(batch);
    expect(await held(ahead)).toEqual(await held(alone));
    for (const program of [ahead, alone]) program.dispose();
  });

  it.each([0, 12, 52])(
    'are skipped from the first non-finite step on, at %i, and training continues from before it',
    async (at) => {
      const [ahead, alone] = [compiled(), compiled()];
      const poisoned = batches.map((batch, i) =>
        i === at
          ? withMaps(batch, {
              numbers: new Map([['D0', column(batch, 'D0', 'f32').data.map((value, b) => (b === 7 ? 3e38 : value))]]),
            })
          : batch,
      );
      const isFinite = ({ losses }: StepResult): boolean =>
        [...losses.values()].every(({ mean }) => Number.isFinite(mean));
      const begun: Promise<StepResult>[] = [];
      const results: StepResult[] = [];
      // A loop ends at the first loss that is not finite, and ignores later ones.
      for (const batch of poisoned) {
        begun.push(ahead.trainStep(batch, { isAhead: true }));
        if (begun.length === ahead.stepsAhead) results.push(await begun.shift()!);
        if (!results.every(isFinite)) break;
      }
      await ahead.catchUp!();
      expect([...results, ...(await Promise.all(begun))].map(isFinite)).toEqual(
        Array.from({ length: Math.min(batches.length, at + ahead.stepsAhead!) }, (_, i) => i < at),
      );
      for (const batch of batches.slice(0, at)) await alone.trainStep(batch);
      expect(await held(ahead)).toEqual(await held(alone));
      await takeAhead(ahead, batches.slice(0, 4));
      for (const batch of batches.slice(0, 4)) await alone.trainStep(batch);
      expect(await held(ahead)).toEqual(await held(alone));
      for (const program of [ahead, alone]) program.dispose();
    },
  );

  it('complete if the next one cannot start', async () => {
    const program = compiled();
    const first = program.trainStep(batches[0]!, { isAhead: true });
    await expect(program.trainStep({ ...batches[1]!, columns: new Map() }, { isAhead: true })).rejects.toThrow();
    await program.catchUp!();
    expect(Number.isFinite((await first).losses.values().next().value!.mean)).toBe(true);
    program.dispose();
  });

  it('allow changes to their batch once started', async () => {
    const [ahead, alone] = [compiled(), compiled()];
    const batch = batches[0]!;
    const copy = withMaps(batch, {
      ids: new Map([...mapsOf(batch).ids].map(([name, data]) => [name, data.slice()])),
      numbers: new Map([...mapsOf(batch).numbers].map(([name, data]) => [name, data.slice()])),
    });
    const result = ahead.trainStep(copy, { isAhead: true });
    for (const data of mapsOf(copy).ids.values()) data.fill(0);
    for (const data of mapsOf(copy).numbers.values()) data.fill(0);
    await ahead.catchUp!();
    await alone.trainStep(batch);
    expect((await result).losses.size).toBe(2);
    expect(await held(ahead)).toEqual(await held(alone));
    for (const program of [ahead, alone]) program.dispose();
  });
});
