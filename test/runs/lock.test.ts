import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockRun } from '../../src/runs/lock.js';
import { scratchFolder } from '../support/scratch.js';

const owner = (changes: object): string => JSON.stringify({ pid: process.pid, host: os.hostname(), startedAt: '2026-01-02T03:04:05.000Z', process: null, ...changes });
/** The number of a process that has ended. */
const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;

describe('the lock of a run', () => {
  it('says who has it, and goes when it is given back', async () => {
    const run = scratchFolder();
    const release = await lockRun(run);
    expect(JSON.parse(readFileSync(join(run, 'run.lock'), 'utf8'))).toMatchObject({ pid: process.pid, host: os.hostname() });
    await expect(lockRun(run)).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining(`is being trained by process ${process.pid} of host`) as string });
    await release();
    expect(existsSync(join(run, 'run.lock'))).toBe(false);
    await (await lockRun(run))();
  });

  it('is had by one of many that ask at once', async () => {
    const run = scratchFolder();
    writeFileSync(join(run, 'run.lock'), owner({ pid: deadPid() }));
    const asked = await Promise.allSettled(Array.from({ length: 8 }, () => lockRun(run)));
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it.each([
    ['a process that has ended', () => owner({ pid: deadPid() })],
    ['another process that has the number now', () => owner({ process: 'another boot 17' })],
    ['nobody: it is empty', () => ''],
    ['nobody: it is no lock', () => '{"pid": "x"}'],
  ])('of %s is taken over', async (_, text) => {
    // Where processes cannot be told apart, the number alone counts.
    if (_.startsWith('another') && !existsSync('/proc/self/stat')) return;
    const run = scratchFolder();
    writeFileSync(join(run, 'run.lock'), text());
    const release = await lockRun(run);
    expect(JSON.parse(readFileSync(join(run, 'run.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
    await release();
  });

  it('of a process that lives is respected', async () => {
    const run = scratchFolder();
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    try {
      writeFileSync(join(run, 'run.lock'), owner({ pid: child.pid }));
      await expect(lockRun(run)).rejects.toThrow(`is being trained by process ${child.pid}`);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('of another machine is an error that says how to remove it', async () => {
    const run = scratchFolder();
    writeFileSync(join(run, 'run.lock'), owner({ host: 'elsewhere', pid: 12 }));
    await expect(lockRun(run)).rejects.toThrow(`is taken by process 12 of host 'elsewhere' since 2026-01-02T03:04:05.000Z, which cannot be seen from here; if that process has ended, remove ${join(run, 'run.lock')}`);
    expect(existsSync(join(run, 'run.lock'))).toBe(true);
  });
});
