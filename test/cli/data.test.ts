/** @module-tag long */
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { runDataClean, runDataInfo } from '../../src/cli/data-command.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { temporaryPath } from '../../src/io/temporary.js';
import { taskOptions } from '../../src/core/tasks.js';
import { entriesIn } from '../support/cached-csv.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

/** JSON output of `mtl data cache`. */
interface Shown {
  readonly caches: readonly {
    readonly path: string;
    readonly entries: readonly { readonly state: string; readonly isUsed: boolean }[];
  }[];
  readonly removed: readonly string[];
}

/** A directory with two data files, each with cached vocabularies and rows. */
async function readTwo(): Promise<string> {
  const folder = scratchFolder();
  const format = createRowFormat({
    tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }],
    groups: [featureTypes.schema.parse({ type: 'categorical', fields: ['id'] })],
  });
  for (const name of ['train.csv', 'test.csv']) {
    writeFileSync(join(folder, name), 'click,id\n0,1\n1,2\n');
    const source = await openSource(join(folder, name), dataColumns(format));
    await source.dataset(encodedFormat(format, await source.fit(format, { policy: refuseBadRows })), {
      policy: refuseBadRows,
    });
  }
  return folder;
}

const kept = (folder: string): string[] =>
  entriesIn(join(folder, '.mtl'))
    .map((name) => name.replace(/-[0-9a-f]{12}-[0-9a-f]{8}/, ''))
    .sort();

/** Captures stdout of the command. */
const printed: string[] = [];
beforeEach(() => {
  printed.length = 0;
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  return () => [stdout, stderr].forEach((spy) => spy.mockRestore());
});

describe('mtl data', () => {
  it('clean removes the cache entries of a file, a config or a directory; info only lists them', async () => {
    const folder = await readTwo();
    const all = ['test.csv.fitted', 'test.csv.rows', 'train.csv.fitted', 'train.csv.rows'];
    expect(await runDataInfo({ path: folder, json: true })).toBe(0);
    expect(printed.map((line) => (JSON.parse(line) as { cacheEntries: unknown[] }).cacheEntries.length)).toEqual([4]);
    expect(kept(folder)).toEqual(all);
    expect(await runDataClean({ path: join(folder, 'train.csv'), json: true, stale: false })).toBe(0);
    expect(kept(folder)).toEqual(all.slice(0, 2));
    await runDataClean({ path: folder, json: true, stale: false });
    expect(kept(folder)).toEqual([]);
    expect(existsSync(join(folder, 'train.csv'))).toBe(true);
  });

  it('clean --stale keeps current entries', async () => {
    const folder = await readTwo();
    appendFileSync(join(folder, 'test.csv'), '\n');
    await runDataClean({ path: join(folder, '.mtl'), json: true, stale: true });
    expect(kept(folder)).toEqual(['train.csv.fitted', 'train.csv.rows']);
  });

  it('clean removes what a killed run left, but no entry being written and no other file', async () => {
    const folder = await readTwo();
    const temporary = (key: string, pid: number): string =>
      temporaryPath(`train.csv.rows-${key.repeat(12)}-${key.repeat(8)}`).replace(`-${process.pid}-`, `-${pid}-`);
    const names = [temporary('a', 2 ** 22 + 1), temporary('b', process.pid), 'mine'];
    for (const name of names) mkdirSync(join(folder, '.mtl', name));
    await runDataClean({ path: folder, json: true, stale: false });
    expect(
      readdirSync(join(folder, '.mtl'))
        .filter((name) => !name.startsWith('.lease'))
        .sort(),
    ).toEqual(names.slice(1).sort());
  });

  it('cache lists entries below a directory and prunes unused ones', async () => {
    const folder = await readTwo();
    // In a separate process: this one uses all entries.
    const cache = async (...args: readonly string[]): Promise<Shown> =>
      JSON.parse((await mtl(folder, ['data', 'cache', ...args, '--json'])).stdout) as Shown;
    const shown = await cache();
    expect(shown.caches).toMatchObject([{ path: join(folder, '.mtl'), maxBytes: 10 * 2 ** 30 }]);
    expect(shown.caches[0]!.entries.map(({ state, isUsed }) => [state, isUsed])).toEqual(Array(4).fill(['fits', true]));
    for (const lease of readdirSync(join(folder, '.mtl')).filter((name) => name.startsWith('.lease')))
      rmSync(join(folder, '.mtl', lease));
    rmSync(join(folder, 'test.csv'));
    expect((await cache('--prune', '--dry-run')).removed).toHaveLength(2);
    expect(kept(folder)).toHaveLength(4);
    expect(
      (await cache('train.csv', '--prune')).removed
        .map((path) => path.slice(join(folder, '.mtl', 'test.csv').length, -22))
        .sort(),
    ).toEqual(['.fitted', '.rows']);
    expect(kept(folder)).toEqual(['train.csv.fitted', 'train.csv.rows']);
    expect(await mtl(folder, ['data', 'cache', '--prune', '--max-size', '0'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\.mtl: removed 2 entries, \d+ kB; 0 kB left\n$/) as string,
    });
    expect(kept(folder)).toEqual([]);
    expect(await mtl(folder, ['data', 'cache', '--max-size', '1GB'])).toMatchObject({
      code: 2,
      stderr: 'error: --max-size: requires --prune; add --prune\n',
    });
    expect(await mtl(folder, ['data', 'cache', '--prune', '--max-size', 'all'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--max-size: expected a size such as 10GiB, found "all"') as string,
    });
  });

  it('info lists the columns of a directory of shards', async () => {
    const folder = await readTwo();
    const rows = readdirSync(join(folder, '.mtl')).find((name) => name.includes('.rows-'))!;
    expect(await runDataInfo({ path: join(folder, '.mtl', rows), json: true })).toBe(0);
    expect(
      printed.map((line) => (JSON.parse(line) as { columns: { name: string }[] }).columns.map(({ name }) => name)),
    ).toEqual([['click', 'id']]);
    await expect(runDataInfo({ path: join(folder, 'nowhere'), json: true })).rejects.toThrow(
      /nowhere: no such file or directory/,
    );
  });
});
