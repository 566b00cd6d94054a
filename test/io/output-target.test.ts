/** @module-tag long */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { replace, replaceFolder, writeFileAtomic, writeSynced } from '../../src/io/disk.js';
import { openOutput } from '../../src/predict/output.js';
import { outputKind } from '../../src/io/output-target.js';
import { temporaryPath } from '../../src/io/temporary.js';
import { scratchFolder } from '../support/scratch.js';

const writers = {
  writeFileAtomic: (path: string) => writeFileAtomic(path, 'new'),
  replace: (path: string) => replace(path, (temporary) => writeSynced(temporary, [Buffer.from('new')])),
} as const;

/** A FIFO with a process that reads it, ended with the test at the latest. */
function readFifo(name = 'fifo'): { path: string; read: Promise<string> } {
  const path = join(scratchFolder(), name);
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  const reader = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void reader.kill('SIGKILL'));
  let text = '';
  reader.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
  return { path, read: once(reader, 'close').then(() => text) };
}

describe.each(Object.entries(writers))('%s', (_, write) => {
  it('follows links to an existing or absent file, and keeps them', async () => {
    const folder = scratchFolder();
    mkdirSync(join(folder, 'far'));
    writeFileSync(join(folder, 'far', 'old'), 'old');
    symlinkSync(join('far', 'old'), join(folder, 'to-old'));
    symlinkSync('to-old', join(folder, 'to-link'));
    symlinkSync(join('far', 'absent'), join(folder, 'to-absent'));
    await write(join(folder, 'to-link'));
    await write(join(folder, 'to-absent'));
    expect(['to-old', 'to-link', 'to-absent'].map((name) => readlinkSync(join(folder, name)))).toEqual([
      'far/old',
      'to-old',
      'far/absent',
    ]);
    expect(['old', 'absent'].map((name) => readFileSync(join(folder, 'far', name), 'utf8'))).toEqual(['new', 'new']);
    expect(readdirSync(join(folder, 'far')).sort()).toEqual(['absent', 'old']);
  });

  it.skipIf(process.platform === 'win32')('writes into a FIFO, which stays, directly or through a link', async () => {
    for (const isLinked of [false, true]) {
      const { path, read } = readFifo();
      if (isLinked) symlinkSync(path, `${path}-link`);
      await write(isLinked ? `${path}-link` : path);
      expect(await read).toBe('new');
      expect(lstatSync(path).isFIFO()).toBe(true);
    }
  });

  it('rejects a directory and a loop of links, and keeps them', async () => {
    const folder = scratchFolder();
    await expect(write(folder)).rejects.toMatchObject({
      exitCode: 5,
      message: `${folder}: cannot be written: it is a directory; name a file`,
    });
    symlinkSync('b', join(folder, 'a'));
    symlinkSync('a', join(folder, 'b'));
    await expect(write(join(folder, 'a'))).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringContaining('its symbolic links form a loop') as string,
    });
    expect(readdirSync(folder).sort()).toEqual(['a', 'b']);
  });
});

it('a directory is written to the target of a link, which stays', async () => {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'real'));
  symlinkSync('real', join(folder, 'link'));
  await replaceFolder(join(folder, 'link'), (into) => writeFileAtomic(join(into, 'x'), 'new'));
  expect(readlinkSync(join(folder, 'link'))).toBe('real');
  expect(readdirSync(join(folder, 'real'))).toEqual(['x']);
});

it.skipIf(process.platform === 'win32').each(['p.csv', 'p.jsonl', 'p.csv.gz', 'p.parquet'])(
  'predictions go into a FIFO called %s',
  async (name) => {
    const { path, read } = readFifo(name);
    await openOutput(path)({ inputs: [], predictions: ['ctr'] }, async (writer) => {
      await writer.write({ rows: 1, inputs: [], typed: [], predictions: [Float32Array.of(0.5)] });
      await writer.end();
    });
    expect((await read).length).toBeGreaterThan(0);
    expect(lstatSync(path).isFIFO()).toBe(true);
  },
);

describe('outputKind', () => {
  const stats = (kind: 'isFile' | 'isDirectory' | 'isFIFO' | 'isCharacterDevice' | undefined) => {
    const is = (asked: string) => () => asked === kind;
    return {
      isFile: is('isFile'),
      isDirectory: is('isDirectory'),
      isFIFO: is('isFIFO'),
      isCharacterDevice: is('isCharacterDevice'),
    };
  };

  it('replaces a regular file, and writes into a FIFO or a character device', () => {
    expect((['isFile', 'isFIFO', 'isCharacterDevice'] as const).map((kind) => outputKind(stats(kind), 'x'))).toEqual([
      'file',
      'stream',
      'stream',
    ]);
  });

  it('refuses a directory, a socket and a block device', () => {
    expect(() => outputKind(stats('isDirectory'), 'x')).toThrow('x: cannot be written: it is a directory; name a file');
    expect(() => outputKind(stats(undefined), 'x')).toThrow(
      'x: cannot be written: it is a socket or a block device; name a file',
    );
  });
});

describe('a temporary file', () => {
  /** The temporary file of a path by a process that was killed within its write, or still writes. */
  const temporaryOf = (path: string, pid: number): string => {
    const name = temporaryPath(path).replace(`-${process.pid}-`, `-${pid}-`);
    writeFileSync(name, 'half');
    return name;
  };
  const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;
  const live = (): ChildProcess => {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)']);
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };

  it('of a killed writer goes with the next write to its path, and with that alone', async () => {
    const folder = scratchFolder();
    const path = join(folder, 'out.csv');
    const [own, other] = [temporaryOf(path, deadPid()), temporaryOf(`${path}.gz`, deadPid())];
    await writeFileAtomic(path, 'new');
    expect([existsSync(own), existsSync(other)]).toEqual([false, true]);
    expect(readdirSync(folder).sort()).toEqual([basename(other), 'out.csv'].sort());
  });

  it('of a running writer, another host or another container stays', async () => {
    const folder = scratchFolder();
    const path = join(folder, 'out.csv');
    const running = temporaryOf(path, live().pid!);
    const elsewhere = temporaryOf(path, deadPid()).replace(os.hostname(), 'elsewhere');
    const contained = temporaryOf(path, deadPid()).replace(/-[0-9a-f]{8}-(\d+)\.tmp$/, '-00000000-$1.tmp');
    for (const kept of [elsewhere, contained]) writeFileSync(kept, 'half');
    await writeFileAtomic(path, 'new');
    expect([running, elsewhere, contained].map(existsSync)).toEqual([true, true, true]);
  });

  it('of a directory is removed after the next one is complete', async () => {
    const path = join(scratchFolder(), 'out');
    const before = temporaryPath(path).replace(`-${process.pid}-`, `-${deadPid()}-`);
    mkdirSync(before);
    writeFileSync(join(before, 'old'), 'old');
    await replaceFolder(path, () => Promise.reject(new Error('full'))).catch(() => undefined);
    expect(existsSync(before)).toBe(true);
    await replaceFolder(path, (into) => writeFileAtomic(join(into, 'x'), 'new'));
    expect(existsSync(before)).toBe(false);
  });
});
