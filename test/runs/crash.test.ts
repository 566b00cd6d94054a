/** @module-tag long */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  readCheckpoint,
  readNewestCheckpoint,
  restoreLinks,
  saveCheckpoint,
  type Checkpoint,
} from '../../src/runs/checkpoint.js';
import { SINGLE_PROCESS } from '../../src/core/process-group.js';
import { compactCheckpoint } from '../../src/runs/compact.js';
import { readChain, selectChanges } from '../../src/runs/delta.js';
import type { CheckpointId } from '../../src/runs/manifest.js';
import { findCheckpoint } from '../../src/runs/find-checkpoint.js';
import { AUTO, openRun, type OpenRun } from '../../src/runs/open-run.js';
import { firstLoopState } from '../../src/training/loop-state.js';
import { eachByNight } from '../support/each-by-night.js';
import { createFailingDisk, type Fate } from '../support/failing-disk.js';
import { scratchFolder } from '../support/scratch.js';

const disk = await vi.hoisted(async () => (await import('../support/failing-disk.js')).createFailingDisk());
vi.mock('node:fs/promises', async (original) => disk.over(await original()));
vi.mock('node:fs', async (original) => disk.overSync(await original()));
afterEach(() => disk.reset());

const KEEP = { keepLast: 1, damaged: [] };
const tensor = (value: number) => ({ shape: [3], data: Float32Array.of(value, value + 0.5, -value) });
const checkpoint = (step: number): Checkpoint => ({
  program: { step, weights: new Map([['w', tensor(step)]]), optimizer: new Map([['w.firstMoment', tensor(-step)]]) },
  sections: {
    loop: { version: 1, ...firstLoopState(), step, epoch: step },
    log: { version: 1, metricsBytes: 10 * step },
  },
  fitted: { f: { size: 3 } },
  config: 'name: x\n',
  states: {},
  lookups: new Map(),
});
/** A table of which steps change the second row. */
const withTable = (step: number): Checkpoint['program'] => {
  const table = { shape: [3, 1], data: Float32Array.of(7, step, 8) };
  const { weights, optimizer } = checkpoint(step).program;
  return {
    step,
    weights: new Map([...weights, ['embeddings.t', table]]),
    optimizer: new Map([...optimizer, ['embeddings.t.firstMoment', table]]),
  };
};
const ROWS = new Map([['t', Uint32Array.of(1)]]);
const quiet = (): undefined => undefined;

/** A run with a checkpoint, and what saving the next one does to the disk. */
async function savedOnce(): Promise<string> {
  const run = scratchFolder();
  await saveCheckpoint(run, checkpoint(1), ['best', 'last'], KEEP);
  disk.reset();
  return run;
}

/** What is found by somebody who comes later: the old checkpoint or the new one, whole, behind every name. */
async function expectOldOrNew(run: string): Promise<number> {
  disk.reset();
  const { checkpoint: newest, name: newestName } = await readNewestCheckpoint(run, quiet);
  expect([checkpoint(1), checkpoint(2)]).toContainEqual(newest);
  for (const name of [run, join(run, 'checkpoints', 'last'), join(run, 'checkpoints', 'best')]) {
    expect([checkpoint(1), checkpoint(2)]).toContainEqual(
      await readCheckpoint(findCheckpoint(name), { withOptimizer: true }),
    );
  }
  // Who goes on has the names where they belong.
  await restoreLinks(run, newestName);
  for (const link of ['last', 'best'])
    expect(await readCheckpoint(join(run, 'checkpoints', link), { withOptimizer: true })).toEqual(newest);
  return newest!.program.step;
}

describe('an interrupted save', () => {
  eachByNight([
    // To die before an operation is to die after the one before it.
    ['dies within', false],
    ['dies after', false],
    ['dies after', true],
  ] as const)(
    'leaves the old checkpoint or the new one, whole, wherever it %s an operation (power lost: %j)',
    {},
    async (fate, isPowerLost) => {
      await saveCheckpoint(await savedOnce(), checkpoint(2), ['last', 'best'], KEEP);
      const { length } = disk.operations;
      const kinds = new Set(disk.operations.map(({ kind }) => kind));
      expect([...kinds].sort()).toEqual(['mkdir', 'open', 'rename', 'rm', 'statfs', 'symlink', 'sync', 'write']);
      const found = [];
      for (let at = 1; at <= length; at++) {
        const run = await savedOnce();
        disk.fate = (_, number): Fate => (number === at ? fate : 'done');
        await expect(saveCheckpoint(run, checkpoint(2), ['last', 'best'], KEEP)).rejects.toMatchObject({ exitCode: 5 });
        if (isPowerLost) disk.losePower();
        found.push(await expectOldOrNew(run));
        // And the run goes on from there.
        await saveCheckpoint(run, checkpoint(3), ['last', 'best'], KEEP);
        expect((await readNewestCheckpoint(run, quiet)).checkpoint).toEqual(checkpoint(3));
        expect(readdirSync(join(run, 'checkpoints')).filter((name) => name.startsWith('step-'))).toEqual([
          'step-00000003',
        ]);
      }
      expect(new Set(found)).toEqual(new Set([1, 2]));
    },
  );

  eachByNight([
    ['delta', 'dies within', false],
    ['delta', 'dies after', false],
    ['delta', 'dies after', true],
    ['segment', 'dies within', false],
    ['segment', 'dies after', false],
    ['segment', 'dies after', true],
  ] as const)(
    'with a %s leaves the checkpoint before or it, wherever it %s (power lost: %j)',
    {},
    async (form, fate, isPowerLost) => {
      const whole = (step: number): Checkpoint => ({ ...checkpoint(step), program: withTable(step) });
      const saveFull = async (run: string) => {
        const id = await saveCheckpoint(run, whole(1), ['best', 'last'], KEEP);
        disk.reset();
        return id;
      };
      const saveDelta = (run: string, id: Awaited<ReturnType<typeof saveFull>>): Promise<unknown> =>
        saveCheckpoint(run, whole(2), ['last'], KEEP, SINGLE_PROCESS, {
          [form]: selectChanges(withTable(2), ROWS, [id], SINGLE_PROCESS),
        });
      const counted = scratchFolder();
      await saveDelta(counted, await saveFull(counted));
      const { length } = disk.operations;
      const found = [];
      for (let at = 1; at <= length; at++) {
        const run = scratchFolder();
        const id = await saveFull(run);
        disk.fate = (_, number): Fate => (number === at ? fate : 'done');
        await expect(saveDelta(run, id)).rejects.toMatchObject({ exitCode: 5 });
        if (isPowerLost) disk.losePower();
        disk.reset();
        const { checkpoint: newest } = await readNewestCheckpoint(run, quiet);
        expect([whole(1), whole(2)]).toContainEqual(newest);
        found.push(newest!.program.step);
      }
      expect(new Set(found)).toEqual(new Set([1, 2]));
    },
  );

  eachByNight([
    ['dies within', false],
    ['dies after', false],
    ['dies after', true],
  ] as const)(
    'of a compaction leaves the chain or the full checkpoint, wherever it %s (power lost: %j)',
    {},
    async (fate, isPowerLost) => {
      const whole = (step: number): Checkpoint => ({ ...checkpoint(step), program: withTable(step) });
      const saveChain = async (): Promise<string> => {
        const run = scratchFolder();
        const base = await saveCheckpoint(run, whole(1), ['best', 'last'], KEEP);
        const before: [CheckpointId, ...CheckpointId[]] = [base];
        for (const step of [2, 3]) {
          const delta = selectChanges(withTable(step), ROWS, [...before], SINGLE_PROCESS);
          before.push(await saveCheckpoint(run, whole(step), ['last'], KEEP, SINGLE_PROCESS, { delta }));
        }
        disk.reset();
        return join(run, 'checkpoints', 'step-00000003');
      };
      await compactCheckpoint(await saveChain());
      const { length } = disk.operations;
      const found = [];
      for (let at = 1; at <= length; at++) {
        const folder = await saveChain();
        disk.fate = (_, number): Fate => (number === at ? fate : 'done');
        await compactCheckpoint(folder).catch(quiet);
        if (isPowerLost) disk.losePower();
        disk.reset();
        found.push((await readChain(folder)).deltas.length);
        expect(await readCheckpoint(folder, { withOptimizer: true })).toEqual(whole(3));
        await compactCheckpoint(folder);
        rmSync(join(folder, '..', 'step-00000001'), { recursive: true });
        expect((await readChain(folder)).deltas).toEqual([]);
        expect(await readCheckpoint(folder, { withOptimizer: true })).toEqual(whole(3));
      }
      expect(length).toBeGreaterThan(20);
      expect(new Set(found)).toEqual(new Set([0, 2]));
    },
  );

  it('of the first checkpoint leaves no checkpoint or a complete one', async () => {
    await saveCheckpoint(scratchFolder(), checkpoint(2), ['last', 'best'], KEEP);
    const { length } = disk.operations;
    for (let at = 1; at <= length; at++) {
      const run = scratchFolder();
      disk.reset();
      disk.fate = (_, number): Fate => (number === at ? 'dies within' : 'done');
      await saveCheckpoint(run, checkpoint(2), ['last', 'best'], KEEP).catch(quiet);
      disk.reset();
      expect([undefined, checkpoint(2)]).toContainEqual((await readNewestCheckpoint(run, quiet)).checkpoint);
    }
  });
});

describe('an interrupted start', () => {
  const start = (runDir: string): Promise<OpenRun> =>
    openRun(
      {
        configName: 'x',
        runDir,
        resume: AUTO,
        source: '',
        config: '',
        values: {},
        overrides: [],
        track: { tensorboard: true },
        engine: { name: '', description: '' },
        compareConfig: () => [],
      },
      quiet,
    );

  eachByNight([['dies within'], ['dies after']] as const)(
    'leaves a folder in which --resume auto starts anew, wherever it %s an operation',
    {},
    async (fate) => {
      const counted = await start(join(scratchFolder(), 'run'));
      await counted.release();
      const writes = disk.operations.filter(({ kind }) => kind !== 'rm').length;
      expect(writes).toBeGreaterThan(15);
      for (let at = 1; at <= writes; at++) {
        const run = join(scratchFolder(), 'run');
        disk.reset();
        disk.fate = (_, number): Fate => (number === at ? fate : 'done');
        await expect(start(run)).rejects.toMatchObject({ exitCode: 5 });
        disk.reset();
        // The process would be dead; this one is not.
        if (existsSync(join(run, 'run.lock'))) writeFileSync(join(run, 'run.lock'), '');
        const again = await start(run);
        expect([again.folder, again.resumed]).toEqual([run, undefined]);
        await again.release();
      }
    },
  );
});

describe('a failing disk', () => {
  it.each([
    ['ENOSPC', 'write', /the disk is full/],
    ['EDQUOT', 'write', /the disk quota is exceeded/],
    ['EFBIG', 'write', /the file would exceed the size limit/],
    ['EIO', 'sync', /the disk reported an error/],
    ['EROFS', 'mkdir', /the file system is read-only/],
    ['EACCES', 'mkdir', /permission denied/],
    ['EIO', 'rename', /the disk reported an error/],
  ] as const)(
    'with %s at a %s ends with exit code 5 and leaves the old checkpoint, and nothing half',
    async (code, kind, message) => {
      const run = await savedOnce();
      let matching = 0;
      disk.fate = (operation): Fate =>
        operation.kind === kind && (kind === 'mkdir' || ++matching === 2) ? { code } : 'done';
      const attempt = saveCheckpoint(run, checkpoint(2), ['last', 'best'], KEEP);
      await expect(attempt).rejects.toMatchObject({ exitCode: 5 });
      await expect(attempt).rejects.toThrow(message);
      if (kind === 'write')
        await expect(attempt).rejects.toThrow(/a checkpoint requires [\d.]+ .B, but [\d.]+ .B are free on this disk/);
      await expectOldOrNew(run);
      expect(readdirSync(join(run, 'checkpoints')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    },
  );

  it('reports required and free bytes before it writes anything', async () => {
    const run = await savedOnce();
    disk.freeBytes = 1000;
    await expect(saveCheckpoint(run, checkpoint(2), ['last'], KEEP)).rejects.toThrow(
      /a checkpoint requires 1\.\d MB, but only 1 kB are free on this disk; free disk space/,
    );
    expect(disk.operations.map(({ kind }) => kind)).toEqual(['statfs']);
    expect(await expectOldOrNew(run)).toBe(1);
  });

  it('receives complete records even if a write is partial', async () => {
    const run = scratchFolder();
    const large = { ...checkpoint(1), fitted: { f: 'x'.repeat(9_000_000) } };
    await saveCheckpoint(run, large, ['last'], KEEP);
    expect((await readNewestCheckpoint(run, quiet)).checkpoint).toEqual(large);
    const writes = disk.operations.filter(({ kind, path }) => kind === 'write' && path.endsWith('features.json'));
    expect(writes).toHaveLength(9);
    expect(existsSync(join(run, 'checkpoints', 'last'))).toBe(true);
    expect(readFileSync(join(run, 'checkpoints', 'last', 'features.json'), 'utf8')).toHaveLength(9_000_008);
  });
});

// What the tests above stand on.
describe('the simulated failing disk', () => {
  it('loses unsynced data', async () => {
    const other = createFailingDisk();
    const fs = other.over(await vi.importActual('node:fs/promises'));
    const folder = scratchFolder();
    const file = await fs.open(join(folder, 'a'), 'w');
    await file.write(Buffer.from('12345678'));
    await fs.rename(join(folder, 'a'), join(folder, 'b'));
    other.losePower();
    expect(readdirSync(folder)).toEqual(['a']);
    await file.close();
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('1234');
  });
});
