import { withMaps } from '../../support/batches.js';
/** @module-tag long */
import { column } from '../../../src/core/batch.js';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../../bench/workloads.js';
import type { Program } from '../../../src/engines/engine.js';
import { createWebGpuEngine } from '../../../src/engines/webgpu/engine.js';
import { createTestEngine, gpu } from '../../support/webgpu.js';

const SCALE = 0.002;
const work: Workload = {
  name: 'esmm',
  batchRows: 600,
  width: 4,
  numbers: ['D0'],
  model: { name: 'esmm', ctrTower: { hidden: [40, 8] }, cvrTower: { hidden: [40, 8] } },
};
const [batch, other] = batchesOf(work, 2, SCALE) as [
  ReturnType<typeof batchesOf>[number],
  ReturnType<typeof batchesOf>[number],
];
const compiled = (precision: 'f16' | 'f32'): Program =>
  createTestEngine().compile({ ...planOf(work, SCALE), step: { precision } });
const norm = (data: Float32Array): number => Math.hypot(...data);

describe.skipIf(gpu?.about.hasHalf !== true)('products in half precision on WebGPU', () => {
  it('have gradients within the rounding of their operands, without underflow, and never equal', async () => {
    const [half, whole] = [await compiled('f16').inspect(batch), await compiled('f32').inspect(batch)];
    let differing = 0;
    for (const [name, { data }] of whole.gradients) {
      const found = half.gradients.get(name)!.data;
      const apart = norm(found.map((value, i) => value - data[i]!)) / Math.max(norm(data), 1e-12);
      // A bias before a batch norm has gradient 0 except for rounding.
      if (norm(data) > 1e-6) expect(apart, name).toBeLessThan(0.02);
      if (apart > 1e-6) differing++;
    }
    expect(differing).toBeGreaterThan(4);
  });

  it('train as in single precision, and predict in single precision', async () => {
    const [half, whole] = [compiled('f16'), compiled('f32')];
    for (let step = 0; step < 5; step++) for (const program of [half, whole]) await program.trainStep(batch);
    const [a, b] = [await half.losses(other), await whole.losses(other)];
    for (const [term, { mean }] of b) expect(a.get(term)!.mean, term).toBeCloseTo(mean, 2);
    whole.restore(half.state());
    expect(await half.predict(other)).toEqual(await whole.predict(other));
  });

  it('skip a step with a value that exceeds half precision', async () => {
    const [half, whole] = [compiled('f16'), compiled('f32')];
    const large = withMaps(batch, {
      numbers: new Map([['D0', column(batch, 'D0', 'f32').data.map((value, b) => (b === 3 ? 1e5 : value))]]),
    });
    const isTaken = async (program: Program): Promise<boolean> =>
      [...(await program.trainStep(large)).losses.values()].every(({ mean }) => Number.isFinite(mean));
    expect([await isTaken(half), await isTaken(whole)]).toEqual([false, true]);
    expect(half.state().step).toBe(0);
  });
});

describe.skipIf(gpu === undefined)('an adapter', () => {
  it('has half precision if its shaders support it, otherwise reports what it lacks', () => {
    const on = (hasHalf: boolean) => createWebGpuEngine({ ...gpu!, about: { ...gpu!.about, hasHalf } });
    expect([on(true).precisions, on(true).lacks]).toEqual([['f32', 'f16'], undefined]);
    expect([on(false).precisions, on(false).lacks]).toEqual([
      ['f32'],
      { f16: 'its adapter does not support shader-f16' },
    ]);
  });
});
