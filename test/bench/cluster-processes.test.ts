/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { HERE, inFolder, linkTimes, stepsMirrored, stepsTogether, writeWork } from '../../bench/cluster/jobs.js';
import { sentOf, shapeOf } from '../../bench/cluster/model.js';
import { whyNoNamespaces, withLink } from '../../bench/cluster/namespaces.js';
import { splitOf, type StepTimes } from '../../bench/cluster/split.js';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import { needsMpi, OPEN_MPI } from '../support/mpi.js';

const WORK: Workload = {
  name: 'esmm',
  batchRows: 60,
  width: 4,
  numbers: [],
  model: { name: 'esmm', ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } },
};
/** Whose first layer's gradients pass while others are computed. */
const WIDE: Workload = { ...WORK, model: { name: 'esmm', ctrTower: { hidden: [360] }, cvrTower: { hidden: [360] } } };
const worked = (of: Workload) => ({
  plan: { ...planOf(of, 0.002), dealtRows: 100 },
  batches: batchesOf(of, 4, 0.002),
  warmUp: 4,
  steps: 8,
});
const [work, wide] = [worked(WORK), worked(WIDE)];

/** That processes have sent what the model says, to the byte. */
function expectAsModeled(
  found: readonly (readonly StepTimes[])[],
  processes: number,
  { plan, batches, steps } = work,
): void {
  expect(found.map(({ length }) => length)).toEqual(Array.from({ length: processes }, () => steps));
  const { sent } = splitOf(found);
  for (const [name, sizes] of sentOf(shapeOf(plan, batches, processes)))
    expect([name, sent.get(name)?.bytes ?? 0]).toEqual([
      name,
      expect.closeTo(
        sizes.reduce((sum, bytes) => sum + bytes, 0),
        6,
      ),
    ]);
}

describe('the bench of processes', { timeout: 120_000 }, () => {
  it('sees them send what the model counts, to the byte', async (context) => {
    needsMpi(context, OPEN_MPI);
    await inFolder(async (folder) => {
      const path = writeWork(folder, 'work', work);
      for (const processes of [2, 3]) expectAsModeled(await stepsTogether(HERE, processes, path, 1), processes);
      expect(shapeOf(wide.plan, wide.batches, 2).early).toBeGreaterThan(0);
      for (const processes of [2, 3])
        expectAsModeled(await stepsTogether(HERE, processes, writeWork(folder, 'wide', wide), 1), processes, wide);
      const mirrored = await stepsMirrored(2, path, 1, 2);
      expect(mirrored.map((steps) => steps.length)).toEqual([8, 8]);
    });
  });

  it('has a link between two namespaces, and leaves none behind', async (context) => {
    needsMpi(context, OPEN_MPI);
    const reason = whyNoNamespaces();
    if (reason !== undefined) context.skip(reason);
    await inFolder((folder) =>
      withLink(folder, 10, async (place) => {
        const [first] = await linkTimes(place, 2, folder, [8, 1000], 3);
        expect(first!.map((times) => times.length)).toEqual([3, 3]);
        expectAsModeled(await stepsTogether(place, 2, writeWork(folder, 'work', work), 1), 2);
      }),
    );
    expect(spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout).not.toContain('mtl-bench');
  });
});
