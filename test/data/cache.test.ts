import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import type * as os from 'node:os';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { cacheFolders } from '../../src/data/cache/cache.js';
import { refuseBadRows, skipBadRows } from '../../src/data/rows/rejects.js';
import { columnsOf, encodedFormat, rowFormatOf } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import type { Reading } from '../../src/data/sources/source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/tasks.js';
import { scratchFolder } from '../support/scratch.js';

vi.mock('node:os', async (original) => {
  const real = await original<typeof os>();
  return { ...real, homedir: vi.fn(real.homedir) };
});

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const groupsOf = (options: object = {}) => [
  featureTypes.schema.parse({ type: 'categorical', fields: ['id'], ...options }),
  featureTypes.schema.parse({ type: 'numeric', fields: ['price'], scaling: 'standard' }),
];

/** Reads a file as a run does: fits, encodes, and gives all ids and what was told. */
async function run(path: string, reading: Partial<Reading> = {}, options: object = {}): Promise<{ ids: number[]; fitted: unknown; told: string[] }> {
  const told: string[] = [];
  const format = rowFormatOf(tasks, groupsOf(options));
  const all: Reading = { policy: refuseBadRows, onProgress: ({ what }) => told.push(what.split(' ')[0]!), ...reading };
  const source = await openSource(path, columnsOf(format));
  const fitted = await source.fit(format, all);
  const dataset = await source.dataset(encodedFormat(format, fitted), all);
  const ids: number[] = [];
  for await (const { batch } of dataset.batches(100)) ids.push(...batch.ids.get('id')!.subarray(0, batch.rows));
  expect(ids).toHaveLength(dataset.rows);
  return { ids, fitted, told: [...new Set(told)] };
}

function csvOf(rows: number, bad: readonly number[] = []): string {
  return `click,id,price\n${Array.from({ length: rows }, (_, i) => `${i % 2},${bad.includes(i) ? 'x' : i},${i / 4}\n`).join('')}`;
}

/** A CSV in a folder of its own. */
function csvFile(content: string): string {
  const path = join(scratchFolder(), 'train.csv');
  writeFileSync(path, content);
  return path;
}

describe('the cache', () => {
  it('makes a second run read neither for what is learned nor for rows', async () => {
    const path = csvFile(csvOf(20_000));
    const first = await run(path);
    expect(first.told).toEqual(['learning', 'encoding']);
    expect(first.ids).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
    expect(await run(path)).toEqual({ ...first, told: [] });
    expect(readdirSync(join(path, '..', '.mtl'))).toHaveLength(2);
  });

  it('is left alone where only the width of an embedding changes, not where an encoding does', async () => {
    const path = csvFile(csvOf(100));
    await run(path);
    expect((await run(path, {}, { width: 4 })).told).toEqual([]);
    expect((await run(path, {}, { encoding: { name: 'tokens' } })).told).toEqual(['learning', 'encoding']);
    expect((await run(path)).told).toEqual([]);
  });

  it.each<[string, (path: string) => void]>([
    ['is longer', (path) => writeFileSync(path, csvOf(20_001))],
    ['was written again', (path) => utimesSync(path, 1, 1)],
    ['has another end', (path) => {
      const { atime, mtime } = statSync(path);
      writeFileSync(path, readFileSync(path, 'utf8').replace(/4999\.75\n$/, '4999.25\n'));
      utimesSync(path, atime, mtime);
    }],
  ])('does not stand for a file that %s', async (_, change) => {
    const path = csvFile(csvOf(20_000));
    await run(path);
    change(path);
    expect((await run(path)).told).toEqual(['learning', 'encoding']);
  });

  it('keeps bad rows, so that every run tells the same and holds to its own limit', async () => {
    const path = csvFile(csvOf(100, [5, 50]));
    const policies = [1, 2].map(() => skipBadRows(join(scratchFolder(), 'rejects.csv'), 2));
    const rejects = await Promise.all(policies.map(async (_, i) => {
      const out = join(scratchFolder(), 'rejects.csv');
      const policy = skipBadRows(out, 2);
      if (i === 1) await new Promise((resolve) => setTimeout(resolve, 300));
      const { ids, told } = await run(path, { policy });
      expect(policy.count).toBe(2);
      expect(ids).not.toContain(5);
      return { told, text: readFileSync(out, 'utf8') };
    }));
    expect(rejects[1]!.told).toEqual([]);
    expect(rejects[1]!.text).toBe(rejects[0]!.text);
    expect(rejects[0]!.text.split('\n')).toHaveLength(4);
    await expect(run(path, { policy: skipBadRows(undefined, 1) })).rejects.toThrow(/train\.csv:52: column "id".*bad row number 2 and data\.maxRejects is 1/);
    await expect(run(path)).rejects.toThrow(/train\.csv:7: column "id": expected an id/);
  });

  it('is made once by two runs at a time, and both read the same', async () => {
    const path = csvFile(csvOf(5000));
    const [a, b] = await Promise.all([run(path), run(path)]);
    expect(a.ids).toEqual(b.ids);
    expect(readdirSync(join(path, '..', '.mtl'))).toHaveLength(2);
  });

  it('refuses a file that changes while it is read, and keeps nothing of it', async () => {
    const path = csvFile(csvOf(20_000));
    const onProgress = (): void => writeFileSync(path, csvOf(19_999));
    await expect(run(path, { onProgress })).rejects.toThrow(/train\.csv: changed while it was read/);
    expect(readdirSync(join(path, '..', '.mtl'))).toEqual([]);
  });

  it('gives up when it is asked to, and leaves nothing', async () => {
    const path = csvFile(csvOf(20_000));
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error('stop'));
    await expect(run(path, { onProgress, signal: controller.signal })).rejects.toThrow('stop');
    expect(readdirSync(join(path, '..', '.mtl'))).toEqual([]);
  });

  it('is where the config says', async () => {
    const path = csvFile(csvOf(100));
    const folder = join(scratchFolder(), 'deep', 'cache');
    await run(path, { cache: { folder } });
    expect(readdirSync(folder)).toHaveLength(2);
    expect(readdirSync(join(path, '..'))).toEqual(['train.csv']);
    expect((await run(path, { cache: { folder } })).told).toEqual([]);
  });

  it('goes elsewhere where it cannot be beside the data, and says so; what the config asks for it does not change', async () => {
    const path = csvFile(csvOf(100));
    // A file in the way: what root cannot write either.
    writeFileSync(join(path, '..', '.mtl'), '');
    const home = scratchFolder();
    const before = process.env['XDG_CACHE_HOME'];
    process.env['XDG_CACHE_HOME'] = home;
    try {
      const notices: string[] = [];
      await run(path, { cache: { onNotice: (text) => notices.push(text) } });
      expect(notices[0]).toMatch(/\.mtl cannot be written \(EEXIST\); encoded rows are kept in /);
      expect(readdirSync(join(home, 'mtl'))).toHaveLength(2);
      expect((await run(path)).told).toEqual([]);
    } finally {
      if (before === undefined) delete process.env['XDG_CACHE_HOME'];
      else process.env['XDG_CACHE_HOME'] = before;
    }
    const refused = run(path, { cache: { folder: join(path, 'x') } });
    await expect(refused).rejects.toMatchObject({ exitCode: 5 });
    await expect(refused).rejects.toThrow(/name a folder that can be written with data\.cache/);
  });

  it.each<[string, string, () => string, readonly string[]]>([
    ['an empty XDG_CACHE_HOME', '', () => '/home/me', ['/home/me/.cache/mtl']],
    ['a relative XDG_CACHE_HOME', 'here', () => '/home/me', ['/home/me/.cache/mtl']],
    ['a user without a home', '', () => '', []],
    ['a user whom the system does not know', '', () => { throw new Error('ENOENT'); }, []],
  ])('is never in the working directory: with %s', (_, given, home, others) => {
    vi.stubEnv('XDG_CACHE_HOME', given);
    vi.mocked(homedir).mockImplementation(home);
    try {
      expect(cacheFolders('/data/train.csv', undefined)).toEqual(['/data/.mtl', ...others]);
    } finally {
      vi.unstubAllEnvs();
      vi.mocked(homedir).mockReset();
    }
  });

  it('does not take a folder that is not whole', async () => {
    const path = csvFile(csvOf(100));
    const cache = join(path, '..', '.mtl');
    await run(path);
    // As a run that was killed leaves it: under a temporary name.
    for (const name of readdirSync(cache)) {
      mkdirSync(join(cache, `.${name}.1-1.tmp`));
      rmSync(join(cache, name), { recursive: true });
    }
    expect((await run(path)).told).toEqual(['learning', 'encoding']);
  });
});
