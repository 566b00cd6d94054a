/** @module-tag long */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import type * as os from 'node:os';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { cacheFolders } from '../../src/data/cache/cache.js';
import { csvFile, csvOf, entriesIn, runCached as run } from '../support/cached-csv.js';
import { scratchFolder } from '../support/scratch.js';

vi.mock('node:os', async (original) => {
  const real = await original<typeof os>();
  return { ...real, homedir: vi.fn(real.homedir) };
});

describe('cache directory', () => {
  it('is the configured directory', async () => {
    const path = csvFile(csvOf(100));
    const folder = join(scratchFolder(), 'deep', 'cache');
    await run(path, { cache: { folder } });
    expect(entriesIn(folder)).toHaveLength(2);
    expect(readdirSync(join(path, '..'))).toEqual(['train.csv']);
    expect((await run(path, { cache: { folder } })).told).toEqual([]);
  });

  it("falls back to the user's cache with a warning, but not if configured", async () => {
    const path = csvFile(csvOf(100));
    // A file named .mtl blocks the directory, even for root.
    writeFileSync(join(path, '..', '.mtl'), '');
    const home = scratchFolder();
    const before = process.env['XDG_CACHE_HOME'];
    process.env['XDG_CACHE_HOME'] = home;
    try {
      const notices: string[] = [];
      await run(path, { cache: { onWarning: (text) => notices.push(text) } });
      expect(notices[0]).toMatch(/^cannot write .*\.mtl \(EEXIST\), so encoded rows are cached in /);
      expect(entriesIn(join(home, 'mtl'))).toHaveLength(2);
      expect((await run(path)).told).toEqual([]);
    } finally {
      if (before === undefined) delete process.env['XDG_CACHE_HOME'];
      else process.env['XDG_CACHE_HOME'] = before;
    }
    const refused = run(path, { cache: { folder: join(path, 'x') } });
    await expect(refused).rejects.toMatchObject({ exitCode: 5 });
    await expect(refused).rejects.toThrow(/set data\.cache to a writable directory/);
  });

  it.skipIf(!existsSync('/proc/self'))('fails early if it cannot be created', async () => {
    const path = csvFile(csvOf(100));
    const refused = run(path, { cache: { folder: '/proc/x' } });
    await expect(refused).rejects.toMatchObject({ exitCode: 5 });
    await expect(refused).rejects.toThrow(
      /\/proc\/x: cannot be written: the directory does not exist and cannot be created; .*set data\.cache to a writable directory/,
    );
    writeFileSync(join(path, '..', '.mtl'), '');
    vi.stubEnv('XDG_CACHE_HOME', '/proc/x');
    try {
      await expect(run(path)).rejects.toThrow(/\/proc\/x\/mtl: cannot be written/);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it.each<[string, string, () => string, readonly string[]]>([
    ['an empty XDG_CACHE_HOME', '', () => '/home/me', ['/home/me/.cache/mtl']],
    ['a relative XDG_CACHE_HOME', 'here', () => '/home/me', ['/home/me/.cache/mtl']],
    ['a user without a home directory', '', () => '', []],
    [
      'a user unknown to the system',
      '',
      () => {
        throw new Error('ENOENT');
      },
      [],
    ],
  ])('is never the working directory: %s', (_, given, home, others) => {
    vi.stubEnv('XDG_CACHE_HOME', given);
    vi.mocked(homedir).mockImplementation(home);
    try {
      expect(cacheFolders('/data/train.csv', undefined)).toEqual(['/data/.mtl', ...others]);
    } finally {
      vi.unstubAllEnvs();
      vi.mocked(homedir).mockReset();
    }
  });
});
