/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../../bench/workloads.js';
import { createGpu, type Gpu } from '../../../src/engines/webgpu/adapter.js';
import type { GpuWatch, RunReport } from '../../../src/engines/webgpu/executor.js';
import { TIMES, type DispatchTime } from '../../../src/engines/webgpu/pass-times.js';
import { createTestEngine, gpu } from '../../support/webgpu.js';

const SCALE = 0.002;
const work: Workload = {
  name: 'esmm',
  batchRows: 600,
  width: 4,
  numbers: ['D0'],
  model: { name: 'esmm', ctrTower: { hidden: [40, 8] }, cvrTower: { hidden: [40, 8] } },
};
const batches = batchesOf(work, 3, SCALE);

async function timedGpu(): Promise<Gpu | undefined> {
  const found = gpu === undefined ? undefined : await createGpu([TIMES]);
  return found !== undefined && 'device' in found && found.device.features.has(TIMES) ? found : undefined;
}
const timed = await timedGpu();

describe.skipIf(timed === undefined)('the dispatch times on WebGPU', () => {
  it('cover every dispatch of a step, with its kernels, and leave the step unchanged', async () => {
    const [reports, found] = [[] as RunReport[], [] as (readonly DispatchTime[])[]];
    const watch: GpuWatch = {
      onRun: (report) => reports.push(report),
      onDispatches: (list, times) => list === 'train' && found.push(times),
    };
    const [program, plain] = [
      createTestEngine(timed, watch).compile(planOf(work, SCALE)),
      createTestEngine().compile(planOf(work, SCALE)),
    ];
    for (const batch of batches) expect(await program.trainStep(batch)).toEqual(await plain.trainStep(batch));
    expect(await program.predict(batches[0]!)).toEqual(await plain.predict(batches[0]!));
    expect(found.map((times) => times.length)).toEqual(
      reports.filter(({ list }) => list === 'train').map(({ dispatches }) => dispatches),
    );
    for (const times of found) {
      for (const { ms } of times) expect(ms).toBeGreaterThanOrEqual(0);
      // A product of 600 rows takes measurable time on any device.
      expect(
        Math.max(...times.flatMap(({ kernels, ms }) => (kernels.includes('gemm wide') ? [ms] : []))),
      ).toBeGreaterThan(0);
      expect(new Set(times.flatMap(({ kernels }) => kernels))).toEqual(
        new Set(found[0]!.flatMap(({ kernels }) => kernels)),
      );
      expect(times.flatMap(({ kernels }) => kernels)).toEqual(
        expect.arrayContaining(['lookup by lists', 'adamTable', 'adamDense']),
      );
    }
    for (const each of [program, plain]) each.dispose();
  });
});
