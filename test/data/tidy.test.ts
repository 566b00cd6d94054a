/** @module-tag long */
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { listCache, type CachedFolder } from '../../src/data/cache/cache-list.js';
import { whileEvicting } from '../../src/data/cache/leases.js';
import { chooseEvictions, tidyCache } from '../../src/data/cache/tidy.js';
import { isWriterAlive, temporaryPath } from '../../src/io/temporary.js';
import { entriesIn, runCached } from '../support/cached-csv.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const CSV = 'click,id,price\n0,1,1\n1,2,2\n';

/** Creates a directory of files that an exited process has cached. */
async function readFiles(
  names: readonly string[],
  content: (name: string) => string = () => CSV,
): Promise<{ readonly folder: string; readonly cache: string; readAgain(): Promise<void> }> {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'logs'));
  for (const name of names) writeFileSync(join(folder, 'logs', name), content(name));
  writeFileSync(join(folder, 'valid.csv'), CSV);
  writeFileSync(
    join(folder, 'config.yaml'),
    `data: { train: logs, valid: valid.csv }
features: { ids: { type: categorical, fields: [id], width: 2, encoding: { name: tokens } } }
tasks: { ctr: { label: click } }
model: { name: single-task }
training: { epochs: 1, batchSize: 2 }
`,
  );
  const readAgain = async (): Promise<void> => {
    const { code, stderr } = await mtl(folder, ['train', 'config.yaml', '--json']);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
  };
  await readAgain();
  return { folder, cache: join(folder, '.mtl'), readAgain };
}

const statesOf = async (cache: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await listCache(cache)).map(({ path, state }) => [
      path.slice(cache.length + 1).replace(/-[0-9a-f]{12}-[0-9a-f]{8}$/, ''),
      state,
    ]),
  );
const entry = (name: string, bytes: number, lastUsedMs: number, more: Partial<CachedFolder> = {}): CachedFolder => ({
  path: `/cache/${name}`,
  bytes,
  entry: undefined,
  rows: undefined,
  state: 'fits',
  isUsed: false,
  lastUsedMs,
  ...more,
});
const namesOf = (folders: readonly CachedFolder[]): readonly string[] =>
  folders.map(({ path }) => path.slice('/cache/'.length));

describe('cache eviction', () => {
  it('removes useless entries first, then the least recently used until the rest fits', () => {
    const all = [
      entry('old', 10, 1),
      entry('new', 10, 3),
      entry('middle', 10, 2),
      entry('stale', 50, 4, { state: 'stale' }),
      entry('half', 5, 5, { state: 'unfinished' }),
      entry('before', 7, 6, { state: 'superseded' }),
    ];
    const lost = (maxBytes: number): readonly (readonly string[])[] =>
      Object.values(chooseEvictions(all, maxBytes)).map(namesOf);
    expect(lost(30)).toEqual([['stale', 'half', 'before'], []]);
    expect(lost(29)).toEqual([['stale', 'half', 'before'], ['old']]);
    expect(lost(10)).toEqual([
      ['stale', 'half', 'before'],
      ['old', 'middle'],
    ]);
    expect(lost(0)).toEqual([
      ['stale', 'half', 'before'],
      ['old', 'middle', 'new'],
    ]);
  });

  it('never removes entries in use or in progress', () => {
    const all = [
      entry('used', 100, 1, { isUsed: true }),
      entry('stale', 100, 1, { isUsed: true, state: 'stale' }),
      entry('half', 100, 1, { state: 'being written' }),
      entry('free', 1, 2),
    ];
    expect(Object.values(chooseEvictions(all, 0)).map(namesOf)).toEqual([[], ['free']]);
  });
});

describe('cache', () => {
  it('removes entries of changed or deleted files when an entry is added', async () => {
    const { folder, cache, readAgain } = await readFiles(['a.csv', 'b.csv', 'c.csv']);
    appendFileSync(join(folder, 'logs', 'a.csv'), '1,3,3\n');
    rmSync(join(folder, 'logs', 'b.csv'));
    const before = new Set(entriesIn(cache));
    expect(await statesOf(cache)).toMatchObject({
      'a.csv.rows': 'stale',
      'b.csv.rows': 'stale',
      'c.csv.rows': 'fits',
      'logs.fitted': 'stale',
    });
    await readAgain();
    const after = entriesIn(cache);
    expect(new Set(Object.values(await statesOf(cache)))).toEqual(new Set(['fits']));
    expect(after.some((name) => name.startsWith('b.csv'))).toBe(false);
    expect(after.filter((name) => name.startsWith('c.csv.local')).every((name) => before.has(name))).toBe(true);
  });

  it('retains the rows of the latest two fits', async () => {
    const { folder, cache, readAgain } = await readFiles(['a.csv']);
    const rows = (): readonly string[] => entriesIn(cache).filter((name) => name.startsWith('a.csv.rows'));
    const seen: (readonly string[])[] = [rows()];
    for (const day of ['b', 'c', 'd']) {
      writeFileSync(join(folder, 'logs', `${day}.csv`), `${CSV}0,${day},3\n`);
      await readAgain();
      seen.push(rows());
    }
    expect(seen.map(({ length }) => length)).toEqual([1, 2, 2, 2]);
    expect(seen[3]!.filter((name) => seen[2]!.includes(name))).toHaveLength(1);
    expect(seen[3]).not.toContain(seen[0]![0]);
  });

  it('stays below its limit and reports removed entries', async () => {
    const { folder, cache } = await readFiles(['a.csv']);
    const before = new Set(entriesIn(cache));
    for (const name of before) utimesSync(join(cache, name, 'entry.json'), 1, 1);
    vi.stubEnv('MTL_CACHE_SIZE', '1B');
    writeFileSync(
      join(folder, 'config.yaml'),
      readFileSync(join(folder, 'config.yaml'), 'utf8').replace('name: tokens', 'name: tokens, minCount: 2'),
    );
    const { code, stderr } = await mtl(folder, ['train', 'config.yaml', '--json']);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /\.mtl: removed the \d+ least recently used entries, \d+ kB, to stay below 1 kB; set MTL_CACHE_SIZE to change the limit/,
      ),
    ]);
    const after = entriesIn(cache);
    expect(after.length).toBeGreaterThan(0);
    expect(after.some((name) => name.includes('.rows-') && before.has(name))).toBe(false);
    vi.stubEnv('MTL_CACHE_SIZE', '10 of them');
    expect(await mtl(folder, ['train', 'config.yaml', '--json'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        'MTL_CACHE_SIZE: expected a size such as 10GiB, found "10 of them"; use a number and a unit: B, kB,',
      ) as string,
    });
  });

  it('retains entries in use by a live process, until it is killed', async () => {
    const { folder, cache } = await readFiles(['a.csv']);
    const leases = join(import.meta.dirname, '..', '..', 'dist', 'data', 'cache', 'leases.js');
    const script = `import { takeEntry } from ${JSON.stringify(leases)};
      await takeEntry(process.argv[1]); process.stdout.write('taken'); setTimeout(() => {}, 60_000);`;
    const name = entriesIn(cache).find((each) => each.startsWith('a.csv.rows'))!;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, join(cache, name)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    rmSync(join(folder, 'logs', 'a.csv'));
    await tidyCache(cache, 0);
    expect(entriesIn(cache)).toEqual([name]);
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
    await tidyCache(cache, 0);
    // The lease of the killed process is removed too.
    expect(readdirSync(cache)).toEqual([]);
  });

  it('removes the temporary files of a killed writer', async () => {
    const { cache } = await readFiles(['a.csv']);
    const [left, written] = [2 ** 22 + 1, process.pid].map((pid) =>
      temporaryPath(join(cache, `a.csv.rows-${'a'.repeat(12)}-${'b'.repeat(8)}`)).replace(
        `-${process.pid}-`,
        `-${pid}-`,
      ),
    );
    for (const path of [left!, written!]) mkdirSync(path);
    await tidyCache(cache, Infinity);
    expect([left!, written!].map((path) => existsSync(path))).toEqual([false, true]);
  });

  it('is cleaned by one process at a time, also after one was killed meanwhile', async () => {
    const { folder, cache } = await readFiles(['a.csv']);
    const evicted = await whileEvicting(cache, async () => {
      expect(await tidyCache(cache, 0)).toEqual({ useless: [], beyondLimit: [] });
      return 'done';
    });
    expect([evicted, readdirSync(cache).filter((name) => name.startsWith('.evicting'))]).toEqual(['done', []]);
    writeFileSync(
      join(cache, '.evicting'),
      JSON.stringify({ pid: 2 ** 22 + 1, host: os.hostname(), startedAt: '', process: null }),
    );
    expect((await tidyCache(cache, 0)).beyondLimit.length).toBeGreaterThan(0);
    expect([entriesIn(cache), existsSync(join(folder, 'logs', 'a.csv'))]).toEqual([[], true]);
  });

  it('writes an entry again if it was evicted after the lookup', async () => {
    const folder = scratchFolder();
    const path = join(folder, 'a.csv');
    writeFileSync(path, CSV);
    const cache = { folder: join(folder, 'cache') };
    const first = await runCached(path, { cache });
    // In the index of this cache, but evicted.
    for (const name of entriesIn(cache.folder)) renameSync(join(cache.folder, name), join(folder, name));
    expect(await runCached(path, { cache })).toEqual({
      ...first,
      told: expect.arrayContaining(['learning', 'encoding']) as string[],
    });
  });
});

describe('writer of a temporary file', () => {
  it('is identified by host, for any dots in the names', () => {
    const own = temporaryPath('a.b.csv');
    const dead = own.replace(`-${process.pid}-`, `-${2 ** 22 + 1}-`);
    const names = [
      own,
      dead,
      own.replace(os.hostname(), 'node7.example'),
      own.replace(/-[0-9a-f]{8}-/, '-00000000-'),
      'a.csv',
      '.a.tmp',
    ];
    expect(names.map(isWriterAlive)).toEqual([true, false, undefined, undefined, undefined, undefined]);
  });
});
