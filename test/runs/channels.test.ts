/** @module-tag long */
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findCheckpoint } from '../../src/runs/find-checkpoint.js';
import {
  findChannelName,
  findRejection,
  pointChannel,
  readChannel,
  recordRejection,
  type Promotion,
} from '../../src/runs/channels.js';
import { createRunFolder } from '../../src/runs/run-folder.js';
import { scratchFolder } from '../support/scratch.js';

const disk = await vi.hoisted(async () => (await import('../support/failing-disk.js')).createFailingDisk());
vi.mock('node:fs/promises', async (original) => disk.over(await original()));
vi.mock('node:fs', async (original) => disk.overSync(await original()));

const here = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => {
  disk.reset();
  process.chdir(here);
});

/** A directory that looks like a run with one checkpoint. */
function fakeRun(name: string): string {
  const folder = join('runs', 'daily', name);
  mkdirSync(join(folder, 'checkpoints', 'step-00000001'), { recursive: true });
  writeFileSync(join(folder, 'config.source.yaml'), '');
  return folder;
}
const promotion = (run: string, over: string | null): Promotion => ({
  time: '2026-11-02T01:00:00.000Z',
  run: `daily/${run}`,
  over: over === null ? null : `daily/${over}`,
  reason: 'ungated',
  checkpoint: 'step-00000001',
  sha256: '0'.repeat(64),
  gate: null,
});
/** Promotes a run over the one that the channel is expected to have. */
const point = (run: string, over: string | null): Promise<boolean> =>
  pointChannel('prod', 'runs', over === null ? undefined : `../daily/${over}`, promotion(run, over), () => undefined);
const records = (): readonly { readonly run: string; readonly over: string | null; readonly reason: string }[] =>
  readFileSync('runs/channels/prod.jsonl', 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Promotion);

describe('a channel', () => {
  it('changes only if it still has the expected run', async () => {
    for (const run of ['1', '2', '3']) fakeRun(run);
    expect(await point('1', null)).toBe(true);
    expect(await point('2', null)).toBe(false);
    expect(await point('2', '3')).toBe(false);
    expect(readlinkSync('runs/channels/prod')).toBe('../daily/1');
    expect(await point('2', '1')).toBe(true);
    expect(records().map(({ run, over }) => [run, over])).toEqual([
      ['daily/1', null],
      ['daily/2', 'daily/1'],
    ]);
  });

  it('accepts one of many concurrent promotions and records no other', async () => {
    for (const run of ['0', '1', '2', '3', '4']) fakeRun(run);
    await point('0', null);
    const done = await Promise.all(['1', '2', '3', '4'].map((run) => point(run, '0')));
    expect(done.filter(Boolean)).toHaveLength(1);
    const [, second, ...others] = records();
    expect([second?.run, second?.over, others]).toEqual([`daily/${done.indexOf(true) + 1}`, 'daily/0', []]);
    expect(readlinkSync('runs/channels/prod')).toBe(`../${second!.run}`);
  });

  it.each(['dies within', 'dies after'] as const)(
    'has one run or the other wherever a promotion %s an operation, and goes on',
    async (fate) => {
      for (const run of ['1', '2', '3']) fakeRun(run);
      await point('1', null);
      disk.reset();
      await point('2', '1');
      const { length } = disk.operations;
      expect(disk.operations.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['symlink', 'rename', 'sync']));
      const found = new Set<string>();
      for (let at = 1; at <= length; at++) {
        disk.reset();
        process.chdir(scratchFolder());
        for (const run of ['1', '2', '3']) fakeRun(run);
        await point('1', null);
        disk.reset();
        disk.fate = (_, number) => (number === at ? fate : 'done');
        await point('2', '1').catch(() => undefined);
        disk.reset();
        const [, present] = /daily\/([12])$/.exec(readlinkSync('runs/channels/prod')) ?? [];
        found.add(present!);
        expect(existsSync('runs/channels/prod/config.source.yaml')).toBe(true);
        expect(readChannel('prod', 'runs')).toMatchObject({ previous: present === '1' ? null : 'daily/1' });
        // The process that died is this one, which lives: its lock would be taken over after a kill.
        rmSync('runs/channels/run.lock', { force: true });
        expect(await point('3', present!)).toBe(true);
        const all = records();
        expect(all.at(-1)).toMatchObject({ run: 'daily/3', over: `daily/${present}` });
        // A promotion that was cut short between link and record is recorded by the next.
        expect(all.map(({ run }) => run)).toEqual(
          present === '2' ? ['daily/1', 'daily/2', 'daily/3'] : ['daily/1', 'daily/3'],
        );
        expect(readChannel('prod', 'runs').previous).toBe(`daily/${present}`);
      }
      expect([...found].sort()).toEqual(['1', '2']);
    },
  );

  it('keeps its run and the one before if another is rejected, and finds that until the next promotion', async () => {
    for (const run of ['1', '2', '3']) fakeRun(run);
    await point('1', null);
    await point('2', '1');
    await recordRejection('prod', 'runs', { ...promotion('3', '2'), reason: 'rejected' }, () => undefined);
    expect(readlinkSync('runs/channels/prod')).toBe('../daily/2');
    expect(readChannel('prod', 'runs')).toMatchObject({ run: 'daily/2', previous: 'daily/1' });
    expect(findRejection('prod', 'runs', 'daily/3')).toMatchObject({ run: 'daily/3', over: 'daily/2' });
    expect(findRejection('prod', 'runs', 'daily/1')).toBeUndefined();
    expect(await point('1', '2')).toBe(true);
    expect(findRejection('prod', 'runs', 'daily/3')).toBeUndefined();
    expect(records().map(({ run, reason }) => [run, reason])).toEqual([
      ['daily/1', 'ungated'],
      ['daily/2', 'ungated'],
      ['daily/3', 'rejected'],
      ['daily/1', 'ungated'],
    ]);
  });

  it('is found by its path alone', async () => {
    fakeRun('1');
    await point('1', null);
    expect(findChannelName('runs/channels/prod', 'runs')).toBe('prod');
    for (const path of [
      'runs/channels/other',
      'runs/daily/1',
      'runs/channels',
      'runs/channels/prod.jsonl',
      'nowhere/prod',
    ])
      expect(findChannelName(path, 'runs')).toBeUndefined();
  });

  it('ignores an incomplete record', async () => {
    for (const run of ['1', '2', '3']) fakeRun(run);
    await point('1', null);
    writeFileSync('runs/channels/prod.jsonl', '{"time":"2026-11', { flag: 'a' });
    expect(await point('2', '1')).toBe(true);
    expect(records().map(({ run }) => run)).toEqual(['daily/1', 'daily/2']);
  });

  it('cannot share its name with a config or a run directory', async () => {
    await expect(createRunFolder({ configName: 'channels' })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining("'channels' is reserved for the directory of channels") as string,
    });
    for (const runDir of ['runs/channels', 'runs/channels/prod'])
      await expect(createRunFolder({ configName: 'esmm', runDir })).rejects.toMatchObject({ exitCode: 2 });
  });
});

describe('findCheckpoint', () => {
  it('resolves the link of a channel once, so that a promotion cannot change the run during reads', async () => {
    const folder = fakeRun('1');
    writeFileSync(join(folder, 'checkpoints', 'step-00000001', 'weights.safetensors'), '');
    symlinkSync('step-00000001', join(folder, 'checkpoints', 'best'));
    await point('1', null);
    expect(findCheckpoint('runs/channels/prod')).toBe('runs/daily/1/checkpoints/step-00000001');
    expect(findCheckpoint('runs/channels/prod/checkpoints/best')).toBe('runs/daily/1/checkpoints/best');
  });
});
