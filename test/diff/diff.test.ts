/** @module-tag long */
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { diff, type DiffResult } from '../../src/diff.js';
import { readSummary } from '../../src/runs/summary.js';
import { mtl } from '../support/mtl.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
const at = (path: string): string => join(world, path);
const compare = (a: string, b: string, more: object = {}): Promise<DiffResult> =>
  diff({
    paths: [at(a), at(b)],
    isRecorded: false,
    limit: 1e6,
    device: 'cpu',
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
    ...more,
  });
const named = ({ metrics }: DiffResult, name: string) =>
  metrics.find(({ output: output, metric }) => `${output}.${metric}` === name)!;

beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-diff-'));
  await smallWorld(world);
  await trainSmall(at('esmm.yaml'), { runDir: at('a'), set: ['training.epochs=3'] });
  await trainSmall(at('esmm.yaml'), { runDir: at('b'), set: ['training.epochs=1', 'seed=12'] });
  await trainSmall(at('mmoe.yaml'), { runDir: at('mmoe'), set: ['training.epochs=2'] });
}, 60_000);

describe('mtl diff', () => {
  it('compares configs, data and code, and the metrics of the same rows', async () => {
    const found = await compare('a', 'b');
    expect(found.config).toEqual([
      { key: 'seed', a: 11, b: 12 },
      { key: 'training.epochs', a: 3, b: 1 },
    ]);
    expect(found).toMatchObject({
      a: { model: 'esmm', seed: 11 },
      b: { seed: 12 },
      code: [],
      data: { train: true, valid: true, test: true },
      split: 'test',
      rows: 300,
      predictedRows: 300,
      unpaired: null,
    });
    for (const { output: output, metric, a, b, difference, low, high } of found.metrics) {
      expect([a, b], `${output}.${metric}`).toEqual(
        ['a', 'b'].map((run) => readSummary(at(run))!.metrics['test']![output]![metric]),
      );
      expect([difference, (low! + high!) / 2]).toEqual([b! - a!, expect.closeTo(b! - a!, 12)]);
      expect(high!).toBeGreaterThan(low!);
    }
    expect(found.metrics.map(({ output: output, metric }) => `${output}.${metric}`)).toEqual(
      ['ctr', 'cvr', 'cvr_all', 'ctcvr'].flatMap((output) =>
        ['auc', 'logLoss', 'pcoc'].map((metric) => `${output}.${metric}`),
      ),
    );
  });

  it('pairs the rows of two models, which makes intervals narrower', async () => {
    const [paired, alone] = [await compare('a', 'mmoe'), await compare('a', 'mmoe', { data: at('test.csv') })];
    expect(paired.config).toContainEqual({ key: 'model.name', a: 'esmm', b: 'mmoe' });
    expect(alone.metrics).toEqual(paired.metrics);
    // The same rows in another file: then nothing tells which row is which.
    writeFileSync(at('other.csv'), readFileSync(at('test.csv'), 'utf8').replace(/\n$/, '\n\n'));
    await trainSmall(at('mmoe.yaml'), { runDir: at('elsewhere'), set: ['training.epochs=2', 'data.test=other.csv'] });
    const unpaired = await compare('a', 'elsewhere');
    expect(unpaired).toMatchObject({
      unpaired: 'the test rows of the two runs differ',
      data: { train: true, test: false },
    });
    const width = (found: DiffResult): number => named(found, 'ctr.logLoss').high! - named(found, 'ctr.logLoss').low!;
    expect(named(unpaired, 'ctr.logLoss').difference).toBe(named(paired, 'ctr.logLoss').difference);
    expect(width(paired)).toBeLessThan(0.8 * width(unpaired));
  });

  it('of a run with itself is zero', async () => {
    const found = await compare('a', 'a/checkpoints/best');
    expect([found.config, found.code]).toEqual([[], []]);
    for (const { difference, low, high } of found.metrics)
      expect([difference, low, high].map((value) => value! + 0)).toEqual([0, 0, 0]);
  });

  it('samples the same rows for both if there are many', async () => {
    const found = await compare('a', 'b', { limit: 100 });
    expect(found).toMatchObject({ rows: 300, predictedRows: 100, unpaired: null });
    expect(named(found, 'ctr.auc').a).not.toBe(named(await compare('a', 'b'), 'ctr.auc').a);
    expect(await compare('a', 'b', { limit: 100 })).toEqual(found);
  });

  it('does not pair rows if the runs have different invalid rows', async () => {
    const [header, ...lines] = readFileSync(at('test.csv'), 'utf8').trimEnd().split('\n');
    const column = header!.split(',').indexOf('121');
    // A bad id for the run that reads 121, and none for the one that does not.
    const bad = lines.map((line, i) =>
      i === 5
        ? line
            .split(',')
            .map((cell, c) => (c === column ? 'x' : cell))
            .join(',')
        : line,
    );
    writeFileSync(at('bad.csv'), `${[header, ...bad].join('\n')}\n`);
    await trainSmall(at('esmm.yaml'), {
      runDir: at('few'),
      set: ['training.epochs=1', 'features.user.fields=[101, 122]', 'data.onBadRow=skip'],
    });
    await trainSmall(at('esmm.yaml'), { runDir: at('all'), set: ['training.epochs=1', 'data.onBadRow=skip'] });
    expect(await compare('few', 'all', { data: at('bad.csv') })).toMatchObject({
      unpaired: 'the two runs have different invalid rows',
      rows: 300,
    });
    expect(await compare('all', 'all', { data: at('bad.csv') })).toMatchObject({ unpaired: null, rows: 299 });
  });

  it('uses recorded metrics on request, even if the data is gone', async () => {
    copyFileSync(at('test.csv'), at('gone.csv'));
    await trainSmall(at('esmm.yaml'), { runDir: at('lost'), set: ['training.epochs=1', 'data.test=gone.csv'] });
    writeFileSync(at('gone.csv'), '');
    await expect(compare('a', 'lost')).rejects.toMatchObject({ exitCode: 3 });
    const found = await compare('a', 'lost', { isRecorded: true });
    expect(found).toMatchObject({ unpaired: 'no rows were predicted', rows: null, split: 'test' });
    expect(named(found, 'ctcvr.auc')).toMatchObject({
      goal: 'higher',
      a: readSummary(at('a'))!.metrics['test']!['ctcvr']!['auc'],
      low: null,
    });
  });

  it('prints tables or one object', async () => {
    const { code, stdout, stderr } = await mtl(world, ['diff', 'a', 'mmoe']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /a {2,}a {3,}esmm(.|\n)*config(.|\n)*model\.name +esmm +mmoe\n(.|\n)*code {2}identical\n(.|\n)*data {2}train identical, valid identical, test identical\n(.|\n)*test {2}300 rows, predicted by both and paired\n.*95% interval.*\n {2}ctr\.auc +0\.\d{4} +0\.\d{4} +[+−]0\.\d{4} +[+−]0\.\d{4} … [+−]0\.\d{4}/,
    );
    const json = await mtl(world, ['diff', 'a', 'mmoe', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      split: 'test',
      metrics: expect.arrayContaining([expect.objectContaining({ output: 'ctcvr', metric: 'auc' })]) as unknown,
    });
    expect(await mtl(world, ['diff', 'a', 'none'])).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^error: none: no such directory; name a run/) as string,
    });
    expect((await mtl(world, ['diff', 'a', 'mmoe', '--use-recorded', '--data', 'test.csv'])).stderr).toMatch(
      /mutually exclusive/,
    );
  });
});
