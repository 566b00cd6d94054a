/** @module-tag long */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld } from '../support/small-run.js';

// What only a process of its own can show.

let world: string;
let config: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-processes-'));
  await smallWorld(world);
  config = join(world, 'esmm.yaml');
  // The rows are encoded now; what follows reads them.
  expect((await mtl(world, ['train', config, '--set=training.epochs=1'])).code).toBe(0);
}, 30_000);

const LONG = ['--set=training.epochs=2000', '--set=training.earlyStopping=null'];
/** A run of one epoch, saved. */
async function savedRun(cwd: string): Promise<void> {
  expect((await mtl(cwd, ['train', config, '--run-dir', 'run', '--set=training.epochs=1'])).code).toBe(0);
}
/** A shell command with the built command in it, and what came of it. */
function shell(
  cwd: string,
  command: string,
): { code: number | null; signal: string | null; stdout: string; stderr: string } {
  const { status, signal, stdout, stderr } = spawnSync('bash', ['-c', command], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, MTL: BIN, NODE: process.execPath, CONFIG: config },
  });
  return { code: status, signal, stdout, stderr };
}
/** Sends a signal when a text is printed. */
const stopAt =
  (expected: string, signal: NodeJS.Signals) =>
  (text: string, kill: (signal: NodeJS.Signals) => void): void => {
    if (text.includes(expected)) kill(signal);
  };
const evaluates = async (cwd: string): Promise<number | null> =>
  (await mtl(cwd, ['eval', 'run/checkpoints/last'])).code;

describe('a second signal', () => {
  it('ends the process at once and leaves complete checkpoints', async () => {
    const cwd = scratchFolder();
    let isSent = false;
    const { code } = await mtl(
      cwd,
      ['train', config, ...LONG, '--run-dir', 'run', '--set=checkpoints.everySteps=1'],
      (text, kill) => {
        if (isSent || !text.includes('epoch 1/')) return;
        isSent = true;
        kill('SIGTERM');
        setTimeout(() => kill('SIGINT'), 3);
      },
    );
    // The second one's code; the first one's where it was faster; null if the second one came as the process exited.
    expect([130, 143, null]).toContain(code);
    expect(await evaluates(cwd)).toBe(0);
    expect((await mtl(cwd, ['train', config, '--resume', 'run', ...LONG], stopAt('epoch 3/', 'SIGINT'))).code).toBe(
      130,
    );
  });
});

describe('a reader that closes the pipe', () => {
  it('does not stop training', () => {
    const cwd = scratchFolder();
    const { code, stdout, stderr } = shell(
      cwd,
      'set -o pipefail; "$NODE" "$MTL" train "$CONFIG" --run-dir run | head -n 1',
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe('run     run\n');
    expect(
      readFileSync(join(cwd, 'run', 'metrics.jsonl'), 'utf8')
        .trimEnd()
        .split('\n'),
    ).toHaveLength(5);
    expect(existsSync(join(cwd, 'run', 'results.csv'))).toBe(true);
  });
});

describe('two processes in one run directory', () => {
  it('are excluded by the lock', async () => {
    const cwd = scratchFolder();
    const first = spawn(process.execPath, [BIN, 'train', config, ...LONG, '--run-dir', 'run'], {
      cwd,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise<void>((resolve) =>
      first.stdout.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('epoch 2/')) resolve();
      }),
    );
    const second = await mtl(cwd, ['train', config, '--resume', 'run']);
    expect([second.code, second.stderr]).toEqual([
      2,
      expect.stringContaining(`run: the run is being trained by process ${first.pid}`) as string,
    ]);
    first.kill('SIGKILL');
    await new Promise((resolve) => first.on('close', resolve));
    expect((await mtl(cwd, ['train', config, '--resume', 'run', ...LONG], stopAt('resumed run', 'SIGTERM'))).code).toBe(
      143,
    );
  });
});

describe('two containers with one host name', () => {
  it('do not train the same run, although neither sees the processes of the other', async ({ skip }) => {
    const unshared = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] as const;
    if (spawnSync(unshared[0], [...unshared.slice(1), 'true']).status !== 0)
      skip('a PID namespace of its own takes unshare (Linux) and the permission for it');
    const cwd = scratchFolder();
    const contained = (...args: readonly string[]) =>
      spawn(unshared[0], [...unshared.slice(1), process.execPath, BIN, 'train', config, ...args], {
        cwd,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    const first = contained(...LONG, '--run-dir', 'run');
    // Nothing writes to the folder once its pipes are closed.
    onTestFinished(async () => {
      if (first.kill('SIGKILL')) await once(first, 'close');
    });
    await new Promise<void>((resolve) =>
      first.stdout.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('epoch 2/')) resolve();
      }),
    );
    const second = contained('--resume', 'run');
    onTestFinished(() => void second.kill('SIGKILL'));
    let printed = '';
    for (const stream of [second.stdout, second.stderr])
      stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const [code] = (await once(second, 'close')) as [number | null];
    expect([code, printed]).toEqual([
      2,
      expect.stringMatching(
        /run: the run is being trained by process \d+ of host '.+' since .+ in another container/,
      ) as string,
    ]);
  });
});

describe('a file size limit', () => {
  it.skipIf(process.platform === 'win32')(
    'ends with exit code 5, the required and the free space, and the old checkpoint as it was',
    async () => {
      const cwd = scratchFolder();
      await savedRun(cwd);
      const { code, stderr } = shell(cwd, 'ulimit -f 8; "$NODE" "$MTL" train "$CONFIG" --resume run');
      expect(stderr).toMatch(
        /step-\d+: cannot be written: the file would exceed the size limit(.|\n)*a checkpoint requires [\d.]+ .B, but [\d.]+ .B are free/,
      );
      expect(code).toBe(5);
      expect(await evaluates(cwd)).toBe(0);
    },
  );
});

describe('a full or read-only disk', () => {
  it('ends with exit code 5, reports required and free bytes, and leaves saved files complete', async (context) => {
    const cwd = scratchFolder();
    mkdirSync(join(cwd, 'disk'));
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', join(cwd, 'disk')], {
      encoding: 'utf8',
    });
    if (mounted.status !== 0)
      context.skip(`no file system can be mounted here: ${mounted.error?.message ?? mounted.stderr.trim()}`);
    onTestFinished(() => void spawnSync('umount', ['-l', join(cwd, 'disk')]));
    const run = ['--run-dir', 'disk/run', '--set=checkpoints.everySteps=1', '--set=checkpoints.keepLast=1000'];
    const { code, stderr } = await mtl(cwd, ['train', config, ...LONG, ...run]);
    expect(stderr).toMatch(
      /error: disk\/run\/checkpoints: a checkpoint requires [\d.]+ .B, but only [\d.]+ .B are free on this disk; free disk space/,
    );
    expect(code).toBe(5);
    expect((await mtl(cwd, ['eval', 'disk/run/checkpoints/last'])).code).toBe(0);

    spawnSync('mount', ['-o', 'remount,ro', join(cwd, 'disk')]);
    const started = await mtl(cwd, ['train', config, '--run-dir', 'disk/runs/other/001']);
    expect([started.code, started.stderr]).toEqual([
      5,
      expect.stringContaining('disk/runs/other/001: cannot be written: the file system is read-only') as string,
    ]);
    const resumed = await mtl(cwd, ['train', config, '--resume', 'disk/run', ...LONG]);
    expect([resumed.code, resumed.stderr]).toEqual([
      5,
      expect.stringContaining('the file system is read-only') as string,
    ]);
  });
});

describe('a kill during a system call', () => {
  const CALLS = [
    ['rename', 4],
    ['fsync', 9],
    ['fsync', 3],
    ['rename', 2],
    ['symlink', 2],
    ['unlink', 2],
  ] as const;
  // Each takes seconds: one is enough from day to day.
  it.each(process.env['MTL_KILLS'] === undefined ? CALLS.slice(0, 1) : CALLS)(
    'within %s number %i leaves a checkpoint that is whole',
    async (call, number) => {
      const cwd = scratchFolder();
      await savedRun(cwd);
      // Calls are counted by thread: with one thread for files, all of them.
      const strace = (command: string) =>
        shell(
          cwd,
          `UV_THREADPOOL_SIZE=1 strace -f -qq -o /dev/null -e trace=${call} -e ` +
            `inject=${call}:signal=SIGKILL:when=${number} ${command}`,
        );
      if (strace('true').code !== 0) {
        process.stdout.write('skipped: strace is not there, or may not trace\n');
        return;
      }
      const { signal, code } = strace('"$NODE" "$MTL" train "$CONFIG" --resume run --set=checkpoints.everySteps=2');
      expect(signal ?? code).toSatisfy((end: unknown) => end === 'SIGKILL' || end === 137);
      expect(await evaluates(cwd)).toBe(0);
      expect((await mtl(cwd, ['train', config, '--resume', 'run', '--set=checkpoints.everySteps=2'])).code).toBe(0);
    },
  );
});
