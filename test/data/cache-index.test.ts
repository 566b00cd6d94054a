import type * as fs from 'node:fs';
import { readFileSync } from 'node:fs';
import type * as fsPromises from 'node:fs/promises';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { runCached } from '../support/cached-csv.js';
import { scratchFolder } from '../support/scratch.js';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fsPromises>();
  return { ...real, readdir: vi.fn(real.readdir) };
});
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  return { ...real, readFileSync: vi.fn(real.readFileSync) };
});

const nameOf = (path: unknown): string => (typeof path === 'string' ? basename(path) : '');

/** Counts cache listings and reads of entry metadata of a run over a directory. */
async function countLooks(
  folder: string,
): Promise<{ readonly listings: number; readonly reads: number; readonly told: readonly string[] }> {
  vi.mocked(readdir).mockClear();
  vi.mocked(readFileSync).mockClear();
  const { told } = await runCached(folder);
  return {
    listings: vi.mocked(readdir).mock.calls.filter(([path]) => nameOf(path) === '.mtl').length,
    reads: vi.mocked(readFileSync).mock.calls.filter(([path]) => nameOf(path) === 'entry.json').length,
    told,
  };
}

/** Creates a directory of files that a run has cached. */
async function cachedFiles(numFiles: number): Promise<string> {
  const folder = join(scratchFolder(), 'logs');
  await mkdir(folder);
  for (let file = 0; file < numFiles; file++) {
    await writeFile(
      join(folder, `${String(file).padStart(3, '0')}.csv`),
      `click,id,price\n0,${file},1\n1,${file + 1},2\n`,
    );
  }
  await runCached(folder);
  return folder;
}

describe('cache index', () => {
  it('needs as many listings for many files as for few, and no read of an entry', async () => {
    const [few, many] = [await countLooks(await cachedFiles(4)), await countLooks(await cachedFiles(40))];
    expect(few.listings).toBeGreaterThan(0);
    expect(many).toEqual({ listings: few.listings, reads: 0, told: [] });
  });

  it('is rebuilt from the entries if it is missing, cut short or damaged', async () => {
    const folder = await cachedFiles(4);
    const index = join(folder, '..', '.mtl', '.index.jsonl');
    const whole = await readFile(index, 'utf8');
    const breakages = [
      () => rm(index),
      () => writeFile(index, whole.slice(0, -10)),
      () => writeFile(index, whole.replaceAll('"bytes"', '"Bytes"')),
      () => writeFile(index, Buffer.alloc(1000)),
    ];
    for (const damage of breakages) {
      await damage();
      const { reads, told } = await countLooks(folder);
      expect([reads > 0, told]).toEqual([true, []]);
      expect(await countLooks(folder)).toMatchObject({ reads: 0, told: [] });
    }
  });

  it('does not hide an entry that another process changed or removed', async () => {
    const folder = await cachedFiles(2);
    const cache = join(folder, '..', '.mtl');
    const names = (await readdir(cache)).filter((name) => name.startsWith('000.csv.rows'));
    const entry = join(cache, names[0]!, 'entry.json');
    await writeFile(entry, await readFile(entry));
    expect(await countLooks(folder)).toMatchObject({ reads: 1, told: [] });
    await rm(join(cache, names[0]!), { recursive: true });
    expect((await countLooks(folder)).told).toEqual(['encoding']);
  });
});
