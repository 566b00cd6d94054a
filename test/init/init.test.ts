/** @module-tag long */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { check } from '../../src/check.js';
import { loadConfig } from '../../src/config/load.js';
import { init, type InitOptions } from '../../src/init.js';
import { randomStream } from '../../src/core/random.js';
import { trainSmall } from '../support/small-run.js';
import { scratchFolder } from '../support/scratch.js';
import { writeShopLog } from '../support/shop-log.js';

const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

const NOTHING: InitOptions = {
  data: undefined,
  valid: undefined,
  test: undefined,
  model: undefined,
  labels: [],
  out: undefined,
  force: false,
};
const written = async (options: Partial<InitOptions>) => {
  const result = await init({ ...NOTHING, ...options });
  const text = readFileSync(result.config, 'utf8');
  return {
    ...result,
    text,
    yaml: parse(text) as {
      data: object;
      features: Record<string, { type: string; fields: (string | { candidate: string; history: string })[] }>;
      tasks: object;
      model: object;
    },
  };
};

/** Log rows with ids, strings, numbers, lists, times and useless columns. */
function writeLog(path: string, rows = 3000): void {
  const random = randomStream(5, path);
  const lines = ['row_id,country,user_id,sku,title,price,visits,seen,vec,ts,is_click,is_buy,buy_time,site'];
  for (let row = 0; row < rows; row++) {
    const [user, sku] = [random.below(50), random.below(40)];
    const click = Number(random.uniform() < 0.1 + 0.6 * Number(sku % 3 === 0));
    const buy = Number(click === 1 && random.uniform() < 0.2 + 0.5 * (user % 2));
    const seen = Array.from(
      { length: 1 + random.below(3) },
      () => `sku${random.below(40)}:${1 + random.below(4)}`,
    ).join('|');
    const title = `a ${random.below(999)} times better thing, and a ${random.below(999)} words long sentence about it`;
    lines.push(
      [
        row,
        ['de', 'fr', 'NA'][random.below(3)],
        `u${user}`,
        `sku${sku}`,
        `"${title}"`,
        row % 11 === 0 ? '' : (5 + 90 * random.uniform()).toFixed(2),
        Math.floor(Math.exp(7 * random.uniform())),
        seen,
        `"[${[0, 1, 2].map(() => random.normal().toFixed(3)).join(', ')}]"`,
        1_790_000_000 + 60 * row,
        click,
        buy,
        buy === 1 ? 12 + random.below(9) : 0,
        'shop',
      ].join(','),
    );
  }
  writeFileSync(path, `${lines.join('\n')}\n`);
}

const nameField = (field: string | { candidate: string; history: string }): string =>
  typeof field === 'string' ? field : `${field.candidate} in ${field.history}`;

describe('mtl init', () => {
  it('writes a config for a log that trains at once, with a comment on each column', async () => {
    writeLog('train.csv');
    const { config, text, yaml, tasks, leftOut } = await written({ data: 'train.csv' });
    expect(config).toBe('esmm.yaml');
    expect(tasks).toMatchObject([
      { name: 'ctr', column: 'is_click', given: undefined },
      { name: 'cvr', column: 'is_buy', given: 'ctr', violations: 0 },
    ]);
    expect(Object.keys(leftOut).sort()).toEqual(['buy_time', 'row_id', 'site', 'title']);
    expect(leftOut['buy_time']).toBe('missing or 0 unless is_buy is positive, so recorded after it');
    const groups = Object.fromEntries(
      Object.values(yaml.features).map(({ type, fields }) => [`${type} ${fields.map(nameField).join(' ')}`, true]),
    );
    expect(Object.keys(groups).sort()).toEqual([
      'bag seen',
      'categorical country user_id sku',
      'date ts',
      'match sku in seen',
      'numeric price',
      'numeric visits',
      'vector vec',
    ]);
    // Most of its items are values of sku.
    expect(yaml.features['lists']).toMatchObject({ fields: ['seen'], table: 'sku' });
    expect(yaml.data).toMatchObject({
      source: 'train.csv',
      split: { by: 'random' },
      nullValues: ['NA'],
      onBadRow: 'skip',
    });
    expect(text).toMatch(/^# yaml-language-server: \$schema=.*config\.schema\.json\n/);
    for (const line of text.split('\n').filter((each) => /^ {6}- [^{]/.test(each)))
      expect(line).toMatch(/ # \d+ distinct/);
    const { metrics } = await trainSmall(config, { set: ['training.epochs=4'] });
    expect(metrics['test']!['ctr']!['auc']).toBeGreaterThan(0.6);
    // The check finds no problem either.
    expect(
      (
        await check({ path: config, set: [], sampleRows: 4000, device: 'cpu', threads: 1, onWarning: () => undefined })
      ).data.warnings.filter((warning) => /bad row|alone predicts|one value/.test(warning)),
    ).toEqual([]);
  });

  it('writes a time split for several files with semicolons, decimal commas, string labels and days', async () => {
    writeShopLog(process.cwd());
    const { yaml, tasks, config } = await written({ data: 'logs/*.csv', out: 'shop.yaml', model: 'esmm' });
    expect(yaml.data).toMatchObject({
      source: 'logs/*.csv',
      decimal: ',',
      split: {
        by: 'date',
        column: 'time',
        valid: { from: '2026-11-06', to: '2026-11-06' },
        test: { from: '2026-11-07' },
      },
    });
    expect(tasks.map(({ name, given, onMissing }) => [name, given, onMissing])).toEqual([
      ['ctr', undefined, undefined],
      ['cart', 'ctr', undefined],
      ['cvr', 'cart', 'mask'],
    ]);
    expect(yaml.tasks).toMatchObject({
      ctr: { label: { column: 'clicked', equals: 'yes' } },
      cvr: { onMissing: 'mask' },
    });
    expect((await trainSmall(config, { set: ['training.epochs=1'] })).metrics['test']!['ctr']!.rows).toBe(800);
  });

  it('accepts named labels, validation and test files, and tasks without a funnel', async () => {
    const row = (i: number): string => `${i % 7},${i % 5},${Number(i % 3 === 0)},${Number(i % 4 === 0)}`;
    writeFileSync('a.csv', `user,item,good,often\n${Array.from({ length: 200 }, (_, i) => row(i)).join('\n')}\n`);
    writeFileSync('b.csv', `user,item,good,often\n${Array.from({ length: 100 }, (_, i) => row(i)).join('\n')}\n`);
    await expect(init({ ...NOTHING, data: 'a.csv' })).rejects.toThrow(
      /no column looks like a label; choose a label column, as in --label good --label often/,
    );
    const { yaml, config } = await written({
      data: ['a.csv'],
      valid: ['b.csv'],
      labels: ['good', 'often'],
      out: 'deep/mine.yaml',
    });
    expect(yaml).toMatchObject({
      data: { train: '../a.csv', valid: '../b.csv' },
      tasks: { good: { label: 'good' }, often: { label: 'often' } },
    });
    await loadConfig(config);
    const single = await written({ data: 'a.csv', labels: ['good'] });
    expect(single.yaml.features).toMatchObject({ ids: { fields: ['user', 'item', 'often'] } });
    await expect(init({ ...NOTHING, data: 'a.csv', labels: ['user'] })).rejects.toThrow(
      /--label user: neither a binary column nor a count/,
    );
    await expect(init({ ...NOTHING, data: 'a.csv', labels: ['god'] })).rejects.toThrow(/--label god: unknown column/);
  });

  it('rejects test data without validation data, before it reads anything', async () => {
    await expect(init({ ...NOTHING, data: 'absent.csv', test: 'test.csv' })).rejects.toMatchObject({
      exitCode: 2,
      message:
        '--test: requires --valid, since the validation set selects the epoch; add validation data, as in --valid ' +
        'valid.csv',
    });
  });

  it('rejects a label with a single value and a file without rows', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `${i % 7},${i % 2},0,${i % 3 === 0 ? '1' : ''}`);
    writeFileSync('a.csv', ['user,click,paid,liked', ...rows].join('\n'));
    await expect(init({ ...NOTHING, data: 'a.csv', labels: ['paid'] })).rejects.toThrow(
      '--label paid: has a single value, so there is nothing to learn; choose a column with positives and negatives',
    );
    const { tasks, leftOut } = await written({ data: 'a.csv', force: true });
    expect(tasks.map(({ name, onMissing }) => [name, onMissing])).toEqual([
      ['ctr', undefined],
      ['liked', 'negative'],
    ]);
    expect(leftOut).toEqual({ paid: 'constant' });
    writeFileSync('b.csv', ['user,click', ...rows.map((row) => `${row.split(',')[0]},0`)].join('\n'));
    await expect(init({ ...NOTHING, data: 'b.csv' })).rejects.toThrow(
      'no column looks like a label; click has a single value; use data with columns of 0 and 1',
    );
    writeFileSync('c.csv', 'user,click\n');
    await expect(init({ ...NOTHING, data: 'c.csv' })).rejects.toThrow(
      /^c\.csv: expected at least one usable row after the header, found none$/,
    );
  });

  it('explains why no column is usable', async () => {
    writeFileSync('a.csv', `click,blank,same\n${'1,,x\n0,,x\n'.repeat(20)}`);
    const found = init({ ...NOTHING, data: 'a.csv' });
    await expect(found).rejects.toMatchObject({ exitCode: 3 });
    await expect(found).rejects.toThrow(
      /^a\.csv: no usable feature column; blank was excluded: constant; same was excluded: constant; use data with more rows or columns$/,
    );
  });

  it('without data writes the sample and its config, which train, and overwrites nothing', async () => {
    const { config, text, files } = await written({});
    expect(files).toEqual(['esmm.yaml', 'sample/train.csv', 'sample/valid.csv', 'sample/test.csv']);
    expect(text).toContain('train: sample/train.csv');
    await loadConfig(config);
    expect(existsSync(join('sample', 'test.csv'))).toBe(true);
    await expect(init(NOTHING)).rejects.toThrow(
      /esmm\.yaml: file already exists; use another file with --out, or overwrite it with --force/,
    );
    await expect(init({ ...NOTHING, model: 'esmn' })).rejects.toThrow(/did you mean 'esmm'/);
    await init({ ...NOTHING, force: true });
  });
});
