/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkRegularFile } from '../../src/io/regular-file.js';
import { synth } from '../../src/synth.js';
import { BIN } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld } from '../support/small-run.js';

// Paths that are no regular files: nobody writes to these pipes, so opening one would block forever.

/** Time after which a command counts as blocked. */
const LIMIT_MS = 50_000;

/** Runs the command and kills it if it blocks. */
function run(folder: string, args: readonly string[]): { readonly status: number | null; readonly stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [BIN, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return { status, stderr };
}

/** A directory with small data and pipes without a writer. */
async function world(): Promise<string> {
  const folder = scratchFolder();
  await smallWorld(folder);
  mkdirSync(join(folder, 'raw'));
  for (const name of ['pipe', 'pipe.yaml', 'raw/common_features_train.csv'])
    execFileSync('mkfifo', [join(folder, name)]);
  writeFileSync(
    join(folder, 'sweep.yaml'),
    'config: pipe.yaml\nmetric: ctcvr.auc\nsearch: { name: grid }\nspace: { training.epochs: [1, 2] }\n',
  );
  return folder;
}

describe('a pipe', () => {
  it('is rejected as raw data before it is opened', async () => {
    const folder = await world();
    const { status, stderr } = run(folder, ['prepare', 'ali-ccp', 'raw', 'shards']);
    expect([status, stderr]).toEqual([
      3,
      expect.stringMatching(
        /common_features_train\.csv: is a pipe, which can be read only once; save its output to a file/,
      ),
    ]);
  }, 100_000);

  it('is rejected as a config before it is opened', async () => {
    const folder = await world();
    for (const args of [
      ['train', 'pipe.yaml'],
      ['check', 'pipe.yaml'],
      ['sweep', 'pipe.yaml'],
      ['sweep', 'sweep.yaml'],
      ['check', 'esmm.yaml', '--set', 'data.columns=pipe', '--set', 'data.header=false'],
    ]) {
      const { status, stderr } = run(folder, args);
      expect([args.join(' '), status, stderr]).toEqual([
        args.join(' '),
        2,
        expect.stringMatching(/pipe[a-z.]*: (.*: )?is a pipe, which can be read only once; write /),
      ]);
    }
  }, 400_000);

  it('of a shell process substitution is accepted as a config', async () => {
    const folder = scratchFolder();
    await synth({
      folder,
      seed: 3,
      rows: { train: 90, valid: 30, test: 30 },
      users: 50,
      items: 30,
      rates: { click: 0.3, purchase: 0.3 },
    });
    await smallWorld(folder);
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', '"$0" "$1" config show <(cat esmm.yaml)', process.execPath, BIN],
      { cwd: folder, encoding: 'utf8', timeout: LIMIT_MS, killSignal: 'SIGKILL' },
    );
    expect([status, stderr]).toEqual([0, '']);
  }, 100_000);
});

describe('a path expected to be a file', () => {
  const asked = { kind: 'data', fix: 'save it to a file, and pass that file' } as const;

  it('must not be a socket or device', async () => {
    const path = join(scratchFolder(), 'socket');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      expect(() => checkRegularFile(path, asked)).toThrow(
        `${path}: is a socket, not a file; save it to a file, and pass that file`,
      );
    } finally {
      server.close();
    }
    expect(() => checkRegularFile('/dev/null', asked)).toThrow(
      '/dev/null: is a device, not a file; save it to a file, and pass that file',
    );
  });

  it('may be a file, a directory or absent, which opening it reports', () => {
    const folder = scratchFolder();
    for (const path of [folder, join(folder, 'x'), import.meta.filename])
      expect(() => checkRegularFile(path, asked)).not.toThrow();
  });
});
