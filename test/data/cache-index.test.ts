import type * as fs from 'node:fs/promises';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { runCached } from '../support/cached-csv.js';
import { scratchFolder } from '../support/scratch.js';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  return { ...real, readdir: vi.fn(real.readdir), readFile: vi.fn(real.readFile) };
});

const nameOf = (path: unknown): string => (typeof path === 'string' ? basename(path) : '');

/** Counts cache listings and reads of entry metadata in the second run over `numFiles` files. */
async function countLooks(numFiles: number): Promise<{ readonly listings: number; readonly reads: number }> {
  const folder = join(scratchFolder(), 'logs');
  await mkdir(folder);
  for (let file = 0; file < numFiles; file++) {
    await writeFile(
      join(folder, `${String(file).padStart(3, '0')}.csv`),
      `click,id,price\n0,${file},1\n1,${file + 1},2\n`,
    );
  }
  const first = await runCached(folder);
  vi.mocked(readdir).mockClear();
  vi.mocked(readFile).mockClear();
  expect(await runCached(folder)).toEqual({ ...first, told: [] });
  return {
    listings: vi.mocked(readdir).mock.calls.filter(([path]) => nameOf(path) === '.mtl').length,
    reads: vi.mocked(readFile).mock.calls.filter(([path]) => nameOf(path) === 'entry.json').length,
  };
}

describe('cache index', () => {
  it('needs as many listings and entry reads for many files as for few', async () => {
    const [few, many] = [await countLooks(4), await countLooks(40)];
    expect(few.listings).toBeGreaterThan(0);
    expect(many.listings).toBe(few.listings);
    expect(many.reads).toBeLessThanOrEqual(10 * few.reads);
  });
});
