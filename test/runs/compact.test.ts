/** @module-tag long */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runRunsCompact } from '../../src/cli/runs-command.js';
import { compactCheckpoint } from '../../src/runs/compact.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { listDeltasSince, readChain } from '../../src/runs/delta.js';
import { manifestDigest } from '../../src/runs/manifest.js';
import { thinCheckpoints } from '../../src/runs/remove-runs.js';
import { listCheckpoints, listRemovable } from '../../src/runs/retention.js';
import { checkpointOf, DELTAS, FULL, nameOf, trainUntil } from '../support/delta-runs.js';
import { abortAtStep, smallWorld, trainSmall } from '../support/small-run.js';
import { scratchFolder } from '../support/scratch.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-compact-'));
  await smallWorld(world);
  const home = process.cwd();
  process.chdir(world);
  await trainUntil('esmm.yaml', 6, 'full', FULL);
  await trainUntil('esmm.yaml', 6, 'deltas', DELTAS);
  process.chdir(home);
});
const home = process.cwd();
beforeEach(() => {
  process.chdir(scratchFolder());
  cpSync(join(world, 'deltas'), 'run', { recursive: true, verbatimSymlinks: true });
});
afterEach(() => process.chdir(home));

const filesOf = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((name) => !['manifest.json', 'state.json', 'config.yaml'].includes(name))
      .map((name) => [name, readFileSync(join(folder, name), 'base64')]),
  );

describe('a compacted delta', () => {
  it('has the bytes of a full checkpoint of the same step, and requires no other', async () => {
    for (let step = 2; step <= 6; step++) {
      const folder = checkpointOf('run', step);
      // Those before are compacted, so the chain has one delta.
      expect((await compactCheckpoint(folder)).deltas).toBe(1);
      expect(filesOf(join(folder, 'base'))).toEqual(filesOf(checkpointOf(join(world, 'full'), step)));
      for (const name of ['state.json', 'config.yaml'])
        expect(readFileSync(join(folder, 'base', name), 'utf8')).toBe(readFileSync(join(folder, name), 'utf8'));
      rmSync(checkpointOf('run', step - 1), { recursive: true });
      const { base, deltas } = await readChain(folder);
      expect([base.folder, deltas.length]).toEqual([join(folder, 'base'), 0]);
      const [found, expected] = [folder, checkpointOf(join(world, 'full'), step)].map((each) =>
        readCheckpoint(each, { withOptimizer: true }),
      );
      expect((await found)!.program).toEqual((await expected)!.program);
    }
  });

  it('is a full checkpoint that can be copied anywhere', async () => {
    await compactCheckpoint(checkpointOf('run', 6));
    cpSync(join(checkpointOf('run', 6), 'base'), 'copy', { recursive: true });
    const copy = await readCheckpoint('copy', { withOptimizer: true });
    expect(copy).toEqual(await readCheckpoint(checkpointOf(join(world, 'deltas'), 6), { withOptimizer: true }));
  });

  it('is the base of the deltas after it', async () => {
    expect((await compactCheckpoint(checkpointOf('run', 4))).deltas).toBe(3);
    const { base, deltas } = await readChain(checkpointOf('run', 6));
    expect(base.folder).toBe(join(checkpointOf('run', 4), 'base'));
    expect(deltas.map(({ folder }) => folder)).toEqual([5, 6].map((step) => checkpointOf('run', step)));
    expect(await readCheckpoint(checkpointOf('run', 6), { withOptimizer: true })).toEqual(
      await readCheckpoint(checkpointOf(join(world, 'deltas'), 6), { withOptimizer: true }),
    );
  });

  it('is left as it is by a second compaction, and so is a full checkpoint', async () => {
    await compactCheckpoint(checkpointOf('run', 6));
    expect(await compactCheckpoint(checkpointOf('run', 6))).toEqual({ deltas: 0, bytes: 0 });
    expect(await compactCheckpoint(checkpointOf('run', 1))).toEqual({ deltas: 0, bytes: 0 });
    expect(existsSync(join(checkpointOf('run', 1), 'base'))).toBe(false);
  });

  it('does not depend on compactions at the same time', async () => {
    const folder = checkpointOf('run', 6);
    const all = await Promise.all([compactCheckpoint(folder), compactCheckpoint(folder)]);
    expect(all.map(({ deltas }) => deltas).sort()).toEqual([0, 5]);
    expect((await readChain(folder)).deltas).toEqual([]);
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('no longer keeps the checkpoints before it', async () => {
    expect((await thinCheckpoints(['run'], false)).paths).toEqual([]);
    expect(await listRemovable('run', { keepLast: 1, damaged: [] })).toEqual([]);
    expect(await runRunsCompact({ run: 'run', json: true })).toBe(0);
    expect(await listRemovable('run', { keepLast: 1, damaged: [] })).toEqual([5, 4, 3, 2, 1].map(nameOf));
    await thinCheckpoints(['run'], false);
    expect(await listCheckpoints('run')).toEqual([nameOf(6)]);
    await trainSmall(join(world, 'esmm.yaml'), { resume: 'run', set: DELTAS });
    await trainSmall(join(world, 'esmm.yaml'), { runDir: 'whole', set: FULL });
    const last = (run: string): ReturnType<typeof readCheckpoint> =>
      readCheckpoint(join(run, 'checkpoints/last'), { withOptimizer: true });
    expect((await last('run')).program).toEqual((await last('whole')).program);
  });

  it('is rejected if it is that of another delta, and if it is damaged', async () => {
    await compactCheckpoint(checkpointOf('run', 5));
    cpSync(join(checkpointOf('run', 5), 'base'), join(checkpointOf('run', 6), 'base'), { recursive: true });
    await expect(readCheckpoint(checkpointOf('run', 6))).rejects.toThrow(
      'run/checkpoints/step-00000006/base: not the base of run/checkpoints/step-00000006',
    );
    writeFileSync(join(checkpointOf('run', 5), 'base', 'weights.safetensors'), '');
    await expect(readCheckpoint(checkpointOf('run', 5))).rejects.toThrow(/base\/weights\.safetensors.* bytes/);
  });
});

describe('a delta that the training removes meanwhile', () => {
  it('is named, with the reason', async () => {
    const folder = checkpointOf('run', 6);
    const compacting = compactCheckpoint(folder);
    rmSync(folder, { recursive: true });
    await expect(compacting).rejects.toThrow(/the training saved a later full checkpoint, and removed this one/);
    await expect(compactCheckpoint(folder)).rejects.toThrow(/manifest\.json: cannot read the file \(ENOENT\)/);
  });
});

describe('a server of an earlier delta', () => {
  it('refuses the segment of another checkpoint', async () => {
    const served = await manifestDigest(checkpointOf('run', 5));
    const folder = checkpointOf('run', 6);
    cpSync(checkpointOf(join(world, 'full'), 6), 'whole/checkpoints/step-00000006', { recursive: true });
    cpSync(checkpointOf('run', 5), 'whole/checkpoints/step-00000006/segment', { recursive: true });
    await expect(listDeltasSince(served, checkpointOf('whole', 6))).rejects.toThrow(
      'segment: not the segment of whole/checkpoints/step-00000006: its state.json differs',
    );
    expect(await listDeltasSince(served, folder)).toHaveLength(1);
  });

  it('applies the deltas after it as long as they exist, and else loads the compacted one', async () => {
    const served = await manifestDigest(checkpointOf('run', 3));
    await compactCheckpoint(checkpointOf('run', 5));
    const folders = async (): Promise<readonly string[] | undefined> =>
      (await listDeltasSince(served, checkpointOf('run', 6)))?.map(({ folder }) => folder);
    expect(await folders()).toEqual([4, 5, 6].map((step) => checkpointOf('run', step)));
    for (const step of [1, 2, 3, 4]) rmSync(checkpointOf('run', step), { recursive: true });
    expect(await folders()).toBeUndefined();
  });
});

describe('a training whose deltas another process compacts', () => {
  it('writes no full checkpoint because of the size of its chain', async () => {
    const few = [...DELTAS, 'features.user.encoding={ name: hash, buckets: 300 }'];
    const countFull = async (run: string): Promise<number> => {
      const names = await listCheckpoints(run);
      return names.filter((name) => existsSync(join(run, 'checkpoints', name, 'features.json'))).length;
    };
    await trainUntil(join(world, 'esmm.yaml'), 12, 'alone', few);
    expect(await countFull('alone')).toBeGreaterThan(1);
    const { signal, on } = abortAtStep(12);
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: 'compacted',
      set: few,
      signal,
      on: {
        ...on,
        onStep: (step) => {
          for (const name of existsSync('compacted/checkpoints') ? readdirSync('compacted/checkpoints') : []) {
            const folder = join('compacted/checkpoints', name);
            if (!existsSync(join(folder, 'rows.safetensors')) || name === 'last') continue;
            mkdirSync(join(folder, 'base'), { recursive: true });
            writeFileSync(join(folder, 'base', 'manifest.json'), '{}');
          }
          on.onStep?.(step);
        },
      },
    });
    expect(await countFull('compacted')).toBe(1);
  });
});
