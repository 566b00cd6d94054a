import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockRun } from '../../src/runs/lock.js';
import { pidNamespace } from '../../src/system/process-identity.js';
import { scratchFolder } from '../support/scratch.js';

const owner = (changes: object): string =>
  JSON.stringify({
    pid: process.pid,
    host: os.hostname(),
    startedAt: '2026-01-02T03:04:05.000Z',
    process: null,
    ...changes,
  });
const quiet = (): undefined => undefined;
/** The number of a process that has ended. */
const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;

describe('the lock of a run', () => {
  it('names its owner and is removed on release', async () => {
    const run = scratchFolder();
    const lock = await lockRun(run, quiet);
    expect(JSON.parse(readFileSync(join(run, 'run.lock'), 'utf8'))).toMatchObject({
      pid: process.pid,
      host: os.hostname(),
    });
    await expect(lockRun(run, quiet)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(`is being trained by process ${process.pid} of host`) as string,
    });
    await lock.release();
    expect(existsSync(join(run, 'run.lock'))).toBe(false);
    await (await lockRun(run, quiet)).release();
  });

  it('goes to one of many concurrent processes', async () => {
    const run = scratchFolder();
    writeFileSync(join(run, 'run.lock'), owner({ pid: deadPid() }));
    const asked = await Promise.allSettled(Array.from({ length: 8 }, () => lockRun(run, quiet)));
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
    const lock = await lockRun(run, quiet);
    expect(JSON.parse(readFileSync(join(run, 'run.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
    await lock.release();
  });

  it('of a live process is respected', async () => {
    const run = scratchFolder();
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    try {
      writeFileSync(join(run, 'run.lock'), owner({ pid: child.pid, startedAt: new Date().toISOString() }));
      await expect(lockRun(run, quiet)).rejects.toThrow(`is being trained by process ${child.pid}`);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('of another machine is an error that explains how to remove it', async () => {
    const run = scratchFolder();
    writeFileSync(join(run, 'run.lock'), owner({ host: 'elsewhere', pid: 12 }));
    await expect(lockRun(run, quiet)).rejects.toThrow(
      `the run is locked by process 12 of host 'elsewhere' since 2026-01-02T03:04:05.000Z, which this machine cannot ` +
        `check; if that process has exited, remove ${join(run, 'run.lock')}`,
    );
    expect(existsSync(join(run, 'run.lock'))).toBe(true);
  });

  it('is complete or absent for concurrent readers', async () => {
    const run = scratchFolder();
    const path = join(run, 'run.lock');
    const seen: string[] = [];
    const taking = lockRun(run, quiet);
    for (let isOver = false; !isOver;) {
      isOver = await Promise.race([
        taking.then(() => true),
        new Promise<false>((resolve) => void setImmediate(() => resolve(false))),
      ]);
      if (existsSync(path)) seen.push(readFileSync(path, 'utf8'));
    }
    expect(new Set(seen)).toEqual(new Set([readFileSync(path, 'utf8')]));
    expect(JSON.parse(seen[0]!)).toMatchObject({ pid: process.pid, pidNamespace: pidNamespace() });
    await (await taking).release();
    expect(readdirSync(run)).toEqual([]);
  });

  it('that another process took over is detected before a write', async () => {
    const run = scratchFolder();
    const path = join(run, 'run.lock');
    const lock = await lockRun(run, quiet);
    await lock.check();
    const text = owner({ pid: 4, host: 'elsewhere' });
    writeFileSync(path, text);
    await expect(lock.check()).rejects.toMatchObject({
      exitCode: 2,
      message:
        `${run}: this process no longer owns the run: process 4 of host 'elsewhere' since ` +
        '2026-01-02T03:04:05.000Z took it over; stop all processes but one, then resume the run',
    });
    await lock.release();
    expect(readFileSync(path, 'utf8')).toBe(text);
    rmSync(path);
    await expect(lock.check()).rejects.toThrow(`its lock ${path} was removed`);
  });
});

describe.skipIf(pidNamespace() === null)('the lock of a process in another container of this host name', () => {
  // The id is that of a living process here, and of another one there.
  const elsewhere = owner({ pidNamespace: 'pid:[1] another boot' });

  it('is respected while its heartbeat updates', async () => {
    const run = scratchFolder();
    const path = join(run, 'run.lock');
    writeFileSync(path, elsewhere);
    let seconds = 1000;
    const timer = setInterval(() => utimesSync(path, ++seconds, seconds), 1);
    const told: string[] = [];
    try {
      await expect(
        lockRun(run, (text) => told.push(text), { staleMs: Infinity, pollIntervalMs: 20 }),
      ).rejects.toMatchObject({
        exitCode: 2,
        message: expect.stringContaining(
          `is being trained by process ${process.pid} of host '${os.hostname()}' since 2026-01-02T03:04:05.000Z ` +
            'in another container',
        ) as string,
      });
    } finally {
      clearInterval(timer);
    }
    expect(told).toEqual([expect.stringContaining(`if that process has exited, remove ${path}`)]);
    expect(readFileSync(path, 'utf8')).toBe(elsewhere);
  });

  it('is taken over if its heartbeat is stale', async () => {
    const run = scratchFolder();
    writeFileSync(join(run, 'run.lock'), elsewhere);
    const lock = await lockRun(run, quiet, { staleMs: 0, pollIntervalMs: 1 });
    expect(JSON.parse(readFileSync(join(run, 'run.lock'), 'utf8'))).toMatchObject({
      pid: process.pid,
      pidNamespace: pidNamespace(),
    });
    await lock.release();
  });

  it('is not awaited after an abort', async () => {
    const run = scratchFolder();
    writeFileSync(join(run, 'run.lock'), elsewhere);
    const controller = new AbortController();
    const asked = lockRun(run, () => controller.abort(new Error('given up')), {
      staleMs: Infinity,
      signal: controller.signal,
    });
    await expect(asked).rejects.toThrow('given up');
  });
});
