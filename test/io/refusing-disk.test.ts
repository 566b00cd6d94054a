/** @module-tag long */
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { renameBusySync } from '../../src/io/busy.js';
import { createFileAtomic, writeFileAtomic, writeFolder } from '../../src/io/disk.js';
import { followLinks, linkTarget, pointLink } from '../../src/io/links.js';
import { channelsByRun, pointChannel, readChannel } from '../../src/runs/channels.js';
import { readCheckpoint, saveCheckpoint, type Checkpoint } from '../../src/runs/checkpoint.js';
import { findCheckpoint } from '../../src/runs/find-checkpoint.js';
import { findNamedModel } from '../../src/runs/find-named-run.js';
import { lockRun } from '../../src/runs/lock.js';
import { removeRuns, thinCheckpoints } from '../../src/runs/remove-runs.js';
import { missingRun, pointLatest } from '../../src/runs/run-folder.js';
import { runPath } from '../../src/runs/runs-root.js';
import { firstLoopState } from '../../src/training/loop-state.js';
import { scratchFolder } from '../support/scratch.js';

// Disks that refuse what Windows, FAT and network disks refuse.

const disk = await vi.hoisted(async () => (await import('../support/failing-disk.js')).createFailingDisk());
/** Error code of hard links; undefined if they work. */
const hardLinks = vi.hoisted(() => ({ code: undefined as string | undefined }));
vi.mock('node:fs/promises', async (original) => {
  const real = disk.over(await original());
  return {
    ...real,
    link: (from: string, to: string) =>
      hardLinks.code === undefined
        ? real.link(from, to)
        : Promise.reject(Object.assign(new Error(hardLinks.code), { code: hardLinks.code, errno: -1 })),
  };
});
vi.mock('node:fs', async (original) => disk.overSync(await original()));

const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => {
  disk.reset();
  hardLinks.code = undefined;
  process.chdir(home);
});

const refuseSymlinks = (code = 'EPERM'): void => {
  disk.fate = ({ kind }) => (kind === 'symlink' ? { code } : 'done');
};
const isSymlink = (path: string): boolean => lstatSync(path).isSymbolicLink();

/** Creates a run with a checkpoint directory. */
function fakeRun(name: string): string {
  const folder = join('runs', 'daily', name);
  mkdirSync(join(folder, 'checkpoints', 'step-00000001'), { recursive: true });
  writeFileSync(join(folder, 'config.source.yaml'), '');
  return folder;
}

const checkpoint = (step: number): Checkpoint => ({
  program: {
    step,
    weights: new Map([['w', { shape: [2], data: Float32Array.of(step, 1) }]]),
    optimizer: new Map(),
  },
  sections: { loop: { version: 1, ...firstLoopState(), step, epoch: step }, log: { version: 1, metricsBytes: 0 } },
  fitted: { f: { size: 3 } },
  config: 'name: x\n',
  states: {},
  lookups: new Map(),
});

describe('a link, where symbolic links are refused', () => {
  it.each(['EPERM', 'EISDIR', 'ENOTSUP', 'UNKNOWN'])('is a file with the target (%s)', async (code) => {
    for (const name of ['a', 'b']) mkdirSync(name);
    refuseSymlinks(code);
    await pointLink('latest', 'a');
    expect([readFileSync('latest', 'utf8'), linkTarget('latest'), followLinks('latest/x/y')]).toEqual([
      'a\n',
      'a',
      join('a', 'x', 'y'),
    ]);
    await pointLink('latest', 'b');
    expect(linkTarget('latest')).toBe('b');
    expect(readdirSync('.').sort()).toEqual(['a', 'b', 'latest']);
  });

  it('is a file where the system reports success and creates none, as Wine', async () => {
    mkdirSync('a');
    // The rename of the absent link fails.
    disk.fate = ({ kind }, number) => (kind === 'rename' && number === 2 ? { code: 'ENOENT' } : 'done');
    await pointLink('latest', 'a');
    expect([isSymlink('latest'), linkTarget('latest')]).toEqual([false, 'a']);
  });

  it('becomes a file where a symbolic link cannot be replaced, and then changes atomically', async () => {
    for (const name of ['a', 'b', 'c']) mkdirSync(name);
    await pointLink('latest', 'a');
    expect(isSymlink('latest')).toBe(true);
    disk.fate = ({ kind, path }) =>
      kind === 'rename' && lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
        ? { code: 'EPERM' }
        : 'done';
    await pointLink('latest', 'b');
    expect([isSymlink('latest'), linkTarget('latest')]).toEqual([false, 'b']);
    disk.operations.length = 0;
    await pointLink('latest', 'c');
    expect(linkTarget('latest')).toBe('c');
    expect(disk.operations.map(({ kind }) => kind)).not.toContain('rm');
  });

  it('is not a file of another kind, and a loop of links is the path itself', () => {
    writeFileSync('two-lines', 'a\nb\n');
    writeFileSync('open-line', 'a');
    writeFileSync('binary', 'a\0\n');
    writeFileSync('long', `${'a'.repeat(5000)}\n`);
    for (const name of ['two-lines', 'open-line', 'binary', 'long', '.']) expect(linkTarget(name)).toBeUndefined();
    writeFileSync('x', 'y\n');
    writeFileSync('y', 'x\n');
    expect(followLinks('x')).toBe('x');
    symlinkSync('nowhere', 'dangling');
    expect(linkTarget('dangling')).toBe('nowhere');
  });

  it('is reported where the disk is full, and where nothing can be written', async () => {
    disk.fate = ({ kind }) => (kind === 'symlink' ? { code: 'ENOSPC' } : 'done');
    await expect(pointLink('latest', 'a')).rejects.toThrow('latest: cannot be written: the disk is full');
    disk.fate = ({ kind }) => (kind === 'symlink' || kind === 'open' ? { code: 'EACCES' } : 'done');
    await expect(pointLink('latest', 'a')).rejects.toThrow('latest: cannot be written: permission denied');
    expect(readdirSync('.')).toEqual([]);
  });
});

describe('runs, where symbolic links are refused', () => {
  it('have checkpoints that all names find, and keep the linked ones', async () => {
    refuseSymlinks();
    const keep = { keepLast: 1, damaged: [] };
    await saveCheckpoint('run', checkpoint(1), ['best', 'last'], keep);
    await saveCheckpoint('run', checkpoint(2), ['last'], keep);
    await saveCheckpoint('run', checkpoint(3), ['last'], keep);
    const steps = async (name: string): Promise<number> =>
      (await readCheckpoint(findCheckpoint(name), { withOptimizer: true })).program.step;
    expect([await steps('run'), await steps('run/checkpoints/last'), await steps('run/checkpoints/best')]).toEqual([
      1, 3, 1,
    ]);
    expect(readdirSync('run/checkpoints').sort()).toEqual(['best', 'last', 'step-00000001', 'step-00000003']);
    expect((await thinCheckpoints(['run'], false)).paths).toEqual([]);
  });

  it('are found by runs/latest, from anywhere and by name, which moves on as they are removed', async () => {
    refuseSymlinks();
    for (const name of ['1', '2']) {
      await saveCheckpoint(fakeRun(name), checkpoint(Number(name)), ['best'], { keepLast: 2, damaged: [] });
      await pointLatest(join('runs', 'daily', name), join(process.cwd(), 'runs'));
    }
    expect(readFileSync('runs/latest', 'utf8')).toBe('daily/2\n');
    expect(runPath('runs/latest/log.jsonl')).toBe('runs/latest/log.jsonl');
    expect(runPath('runs/latest')).toBe('runs/daily/2');
    expect(findNamedModel('latest', 'runs', 'initFrom.checkpoint')).toBe('runs/daily/2/checkpoints/step-00000002');
    mkdirSync('deep');
    process.chdir('deep');
    expect(runPath('runs/latest')).toBe(join(process.cwd(), '..', 'runs', 'daily', '2'));
    process.chdir('..');
    await removeRuns(['runs/daily/2'], join(process.cwd(), 'runs'), 0);
    expect(linkTarget('runs/latest')).toBe('daily/1');
    await removeRuns(['runs/daily/1'], 'elsewhere', 0);
    expect(missingRun('runs/latest').message).toBe('the link points to daily/1, which does not exist');
  });

  it('are promoted to channels', async () => {
    refuseSymlinks();
    for (const name of ['1', '2']) fakeRun(name);
    const promotion = {
      time: '',
      reason: 'ungated',
      checkpoint: null,
      sha256: null,
      gate: null,
    } as const;
    const point = (name: string, expected: string | undefined, over: string | null): Promise<boolean> =>
      pointChannel('prod', 'runs', expected, { ...promotion, run: `daily/${name}`, over }, () => undefined);
    expect(await point('1', undefined, null)).toBe(true);
    expect(await point('2', undefined, null)).toBe(false);
    expect(await point('2', '../daily/1', 'daily/1')).toBe(true);
    expect(readChannel('prod', 'runs')).toMatchObject({ run: 'daily/2', previous: 'daily/1', target: '../daily/2' });
    expect([...channelsByRun('runs')]).toEqual([[join(process.cwd(), 'runs/daily/2'), ['prod']]]);
  });
});

describe('a disk', () => {
  it.each(['EPERM', 'ENOTSUP', 'EISDIR'])('without hard links locks a run once (%s)', async (code) => {
    hardLinks.code = code;
    expect([await createFileAtomic('x', 'a'), await createFileAtomic('x', 'b')]).toEqual([true, false]);
    expect([readFileSync('x', 'utf8'), readdirSync('.')]).toEqual(['a', ['x']]);
    mkdirSync('run');
    const lock = await lockRun('run', () => undefined);
    await expect(lockRun('run', () => undefined)).rejects.toThrow('the run is being trained by process');
    await lock.release();
    expect(readdirSync('run')).toEqual([]);
  });

  it.each(['EPERM', 'EISDIR'])('that cannot sync directories is written (%s)', async (code) => {
    disk.fate = ({ kind, path }) => (kind === 'sync' && lstatSync(path).isDirectory() ? { code } : 'done');
    await writeFileAtomic('x', 'a');
    await writeFolder('folder', (folder) => writeFileAtomic(join(folder, 'y'), 'b'));
    expect([readFileSync('x', 'utf8'), readFileSync('folder/y', 'utf8')]).toEqual(['a', 'b']);
    expect(disk.operations.filter(({ kind }) => kind === 'sync').length).toBeGreaterThan(2);
    disk.fate = ({ kind, path }) => (kind === 'sync' && lstatSync(path).isDirectory() ? { code: 'EIO' } : 'done');
    await expect(writeFileAtomic('x', 'b')).rejects.toThrow('the disk reported an error');
  });

  it('whose files are open elsewhere is asked again for a short time', async () => {
    let refused = 0;
    disk.fate = ({ kind }) => (kind === 'rename' && refused++ < 3 ? { code: 'EBUSY' } : 'done');
    await writeFileAtomic('x', 'a');
    expect([readFileSync('x', 'utf8'), refused]).toEqual(['a', 4]);
    disk.fate = ({ kind }) => (kind === 'rename' ? { code: 'EPERM' } : 'done');
    await expect(writeFileAtomic('x', 'b')).rejects.toThrow('x: cannot be written: permission denied');
    expect([readFileSync('x', 'utf8'), readdirSync('.')]).toEqual(['a', ['x']]);
    writeFileSync('y', 'c');
    renameBusySync('y', 'x');
    expect(readFileSync('x', 'utf8')).toBe('c');
    expect(() => renameBusySync('absent', 'x')).toThrow('ENOENT');
  });
});
