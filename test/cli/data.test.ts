import { appendFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { runDataClean, runDataInfo } from '../../src/cli/data-command.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { columnsOf, encodedFormat, rowFormatOf } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/tasks.js';
import { scratchFolder } from '../support/scratch.js';

/** A folder with two files that were read, each with a folder of what was learned and one of rows. */
async function readTwo(): Promise<string> {
  const folder = scratchFolder();
  const format = rowFormatOf({ tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }], groups: [featureTypes.schema.parse({ type: 'categorical', fields: ['id'] })] });
  for (const name of ['train.csv', 'test.csv']) {
    writeFileSync(join(folder, name), 'click,id\n0,1\n1,2\n');
    const source = await openSource(join(folder, name), columnsOf(format));
    await source.dataset(encodedFormat(format, await source.fit(format, { policy: refuseBadRows })), { policy: refuseBadRows });
  }
  return folder;
}

const kept = (folder: string): string[] => readdirSync(join(folder, '.mtl')).map((name) => name.replace(/-[0-9a-f]{12}-[0-9a-f]{8}/, '')).sort();

/** What the command printed on stdout, which is not let through: it would stand among the lines of the tests. */
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
  it('clean removes what is kept of a file, of a config or of all files of a folder, and info shows it without a change', async () => {
    const folder = await readTwo();
    const all = ['test.csv.fitted', 'test.csv.rows', 'train.csv.fitted', 'train.csv.rows'];
    expect(await runDataInfo({ path: folder, json: true })).toBe(0);
    expect(printed.map((line) => (JSON.parse(line) as { kept: unknown[] }).kept.length)).toEqual([4]);
    expect(kept(folder)).toEqual(all);
    expect(await runDataClean({ path: join(folder, 'train.csv'), json: true, stale: false })).toBe(0);
    expect(kept(folder)).toEqual(all.slice(0, 2));
    await runDataClean({ path: folder, json: true, stale: false });
    expect(kept(folder)).toEqual([]);
    expect(existsSync(join(folder, 'train.csv'))).toBe(true);
  });

  it('clean --stale leaves what still fits its data', async () => {
    const folder = await readTwo();
    appendFileSync(join(folder, 'test.csv'), '\n');
    await runDataClean({ path: join(folder, '.mtl'), json: true, stale: true });
    expect(kept(folder)).toEqual(['train.csv.fitted', 'train.csv.rows']);
  });

  it('clean takes what a killed run left, not what a run writes now, and nothing that is not its own', async () => {
    const folder = await readTwo();
    const names = [`.train.csv.rows-${'a'.repeat(20)}.${2 ** 30}-1.tmp`, `.train.csv.rows-${'b'.repeat(20)}.${process.pid}-1.tmp`, 'mine'];
    for (const name of names) mkdirSync(join(folder, '.mtl', name));
    await runDataClean({ path: folder, json: true, stale: false });
    expect(readdirSync(join(folder, '.mtl')).sort()).toEqual(names.slice(1).sort());
  });

  it('info on a folder of shards tells its columns', async () => {
    const folder = await readTwo();
    const rows = readdirSync(join(folder, '.mtl')).find((name) => name.includes('.rows-'))!;
    expect(await runDataInfo({ path: join(folder, '.mtl', rows), json: true })).toBe(0);
    expect(printed.map((line) => (JSON.parse(line) as { columns: { name: string }[] }).columns.map(({ name }) => name))).toEqual([['click', 'id']]);
    await expect(runDataInfo({ path: join(folder, 'nowhere'), json: true })).rejects.toThrow(/nowhere: there is no such file or folder/);
  });
});
