/** @module-tag long */
import { copyFileSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { synth } from '../../src/synth.js';
import { mtl } from '../support/mtl.js';
import { promoteRun } from '../support/promote-run.js';
import { trainSmall } from '../support/small-run.js';

const CONFIG = `seed: 11
data: { train: 'day-*.csv' }
features:
  user: { type: categorical, fields: [101, 121, 122], width: 4, encoding: tokens }
  item: { type: categorical, fields: [205, 206], width: 4, encoding: tokens }
tasks: { ctr: { label: click } }
model: { name: single-task, wide: true }
training: { epochs: 1, batchSize: 64 }
`;
const GATE = { gate: { metric: 'ctr.logLoss', confidence: 0.95, margin: -1 } };

const here = process.cwd();
let world: string;
const lines = (name: string): readonly string[] => readFileSync(name, 'utf8').trimEnd().split('\n');
const writeRows = (name: string, header: string, rows: readonly string[]): void =>
  writeFileSync(name, `${[header, ...rows].join('\n')}\n`);

beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-training-rows-'));
  process.chdir(world);
  await synth({
    folder: world,
    seed: 3,
    rows: { train: 3000, valid: 1500, test: 1500 },
    users: 800,
    items: 300,
    rates: { click: 0.3, purchase: 0.3 },
  });
  const [header, ...rows] = lines('train.csv') as [string, ...string[]];
  writeRows('day-1.csv', header, rows.slice(0, 1500));
  writeRows('day-2.csv', header, rows.slice(1500));
  const later = lines('test.csv').slice(1);
  copyFileSync('day-2.csv', 'renamed.csv');
  writeFileSync('packed.csv.gz', gzipSync(readFileSync('day-1.csv')));
  writeRows('subset.csv', header, rows.filter((_, i) => i % 5 === 0).reverse());
  writeRows('superset.csv', header, [...later, ...rows]);
  writeRows('joined.csv', header, [...later.slice(0, 700), ...rows.slice(200, 500)]);
  writeFileSync('config.yaml', CONFIG);
  for (const [name, seed] of [
    ['first', 1],
    ['second', 2],
  ] as const)
    await trainSmall('config.yaml', { name, set: [`seed=${seed}`] });
  await promoteRun('runs/config/first');
}, 120_000);
beforeEach(() => process.chdir(world));
afterAll(() => {
  process.chdir(here);
  rmSync(world, { recursive: true, force: true });
});

/** Compares the second run with the first one, which is better than any margin allows. */
const judge = async (data: readonly string[], allowTrainingRows = false) => {
  const warnings: string[] = [];
  const onWarning = (text: string): void => void warnings.push(text);
  await promoteRun('runs/config/first');
  const { isPromoted, reason } = await promoteRun('runs/config/second', {
    ...GATE,
    data,
    allowTrainingRows,
    onWarning,
  });
  return { isPromoted, reason, warnings: warnings.join('\n') };
};

describe('a promotion judged on training rows', () => {
  it.each([
    ['a file of the training set', ['day-1.csv'], 'day-1.csv: the model was trained on a file with the same content'],
    ['a copy with another name', ['renamed.csv'], 'renamed.csv: the model was trained on a file with the same content'],
    ['a training file among others', ['test.csv', 'day-1.csv'], 'day-1.csv: the model was trained on a file'],
    ['a compressed copy', ['packed.csv.gz'], /packed\.csv\.gz: about 100% of the rows equal rows that the model/],
    ['some rows in another order', ['subset.csv'], /subset\.csv: about 100% of the rows equal rows that the model/],
    ['all rows and others', ['superset.csv'], /superset\.csv: about 6\d% of the rows equal rows that the model/],
    ['some rows and others', ['joined.csv'], /joined\.csv: about 3\d% of the rows equal rows that the model/],
  ])('is refused: %s', async (_, data, message) => {
    const refused = await judge(data);
    expect(refused).toMatchObject({ isPromoted: false, reason: 'trainingRows' });
    expect(refused.warnings).toMatch(message);
    expect(readlinkSync('runs/channels/prod')).toBe('../config/first');
    expect(await judge(data, true)).toMatchObject({ isPromoted: true, reason: 'better' });
  });

  it('is made on other rows of the same world, without a warning', async () => {
    expect(await judge(['test.csv'])).toEqual({ isPromoted: true, reason: 'better', warnings: '' });
    expect(await judge(['valid.csv', 'test.csv'])).toMatchObject({ isPromoted: true, warnings: '' });
  });

  it('exits with code 7 and names the option; eval and diff warn', async () => {
    await promoteRun('runs/config/first');
    const gate = ['--if-better', 'ctr.logLoss', '--margin', '-1', '--data', 'subset.csv'];
    const promoted = await mtl(world, ['promote', 'runs/config/second', '--to', 'prod', ...gate]);
    expect(promoted.code).toBe(7);
    expect(promoted.stdout).toContain(
      'runs/config/second was trained on rows of the comparison; name other rows, or add --allow-training-rows',
    );
    const message = 'subset.csv: about 100% of the rows equal rows that the model was trained on';
    for (const args of [
      ['eval', 'runs/config/first'],
      ['diff', 'runs/config/first', 'runs/config/second'],
    ]) {
      const { code, stdout } = await mtl(world, [...args, '--data', 'subset.csv']);
      expect(code).toBe(0);
      expect(stdout).toContain(message);
    }
  }, 60_000);
});
