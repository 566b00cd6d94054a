import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { writeDirect, writeFileAtomic, writeFolder } from '../../src/io/disk.js';
import { fileSink } from '../../src/predict/byte-sink.js';
import { writeParts } from '../../src/io/write-parts.js';
import { scratchFolder } from '../support/scratch.js';

const seen = vi.hoisted(() => ({ syncs: 0 }));
// The handles of Yarn's Plug'n'Play.
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const open = async (path: string, flags?: string): Promise<FileHandle> =>
    Object.assign(await real.open(path, flags), { sync: () => Promise.reject(new Error('Method not implemented.')) });
  return { ...real, open };
});
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>();
  return { ...real, fsync: (...args: Parameters<typeof real.fsync>) => (seen.syncs++, real.fsync(...args)) };
});
afterEach(() => {
  seen.syncs = 0;
});

it.each([
  ['a whole file', 2, (path: string) => writeFileAtomic(path, 'abc')],
  ['a folder', 3, (path: string) => writeFolder(path, (folder) => writeFileAtomic(join(folder, 'x'), 'abc'))],
  ['a file past the memory of the system', 1, (path: string) => writeDirect(path, [Buffer.from('abc')])],
  ['a file of parts', 1, async (path: string) => (await writeParts(path, [Buffer.from('abc')])).sync()],
  [
    'predictions',
    1,
    async (path: string) => {
      const sink = await fileSink(path, false);
      await sink.write(Buffer.from('abc'));
      await sink.end();
    },
  ],
] as const)('%s is synced and written where handles of files know no sync', async (_, syncs, write) => {
  const path = join(scratchFolder(), 'out');
  await write(path);
  expect(seen.syncs).toBeGreaterThanOrEqual(syncs);
});
