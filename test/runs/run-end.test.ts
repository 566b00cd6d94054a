/** @module-tag long */
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { readSummary } from '../../src/runs/summary.js';
import { abortAtStep, smallWorld, trainSmall } from '../support/small-run.js';
import { scratchFolder } from '../support/scratch.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-run-end-'));
  await smallWorld(world);
});
const config = (): string => join(world, 'esmm.yaml');

const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

describe('a run that fails or stops before its first step', () => {
  it('leaves no directory and does not move runs/latest', async () => {
    await expect(trainSmall(config(), { set: ['features.user.fields=[101, purchase]'] })).rejects.toThrow();
    writeFileSync('bad.csv', readFileSync(join(world, 'train.csv'), 'utf8').replace(/\n\d,\d,/, '\n0,0,x'));
    await expect(trainSmall(config(), { set: [`data.train=${process.cwd()}/bad.csv`] })).rejects.toMatchObject({
      exitCode: 3,
    });
    expect(existsSync('runs')).toBe(false);
    await trainSmall(config(), { set: ['training.epochs=1'] });
    await expect(trainSmall(config(), { set: [`data.train=${process.cwd()}/bad.csv`] })).rejects.toMatchObject({
      exitCode: 3,
    });
    const controller = new AbortController();
    const stopped = await trainSmall(config(), {
      runDir: 'mine',
      set: [`data.cache=${process.cwd()}/cache`],
      signal: controller.signal,
      on: { onRead: () => controller.abort(new Error('enough')) },
    });
    expect(stopped).toMatchObject({ end: 'interrupted', steps: 0 });
    expect([readdirSync('runs/esmm'), readlinkSync('runs/latest'), existsSync('mine')]).toEqual([
      ['001'],
      'esmm/001',
      false,
    ]);
  });

  it('keeps its directory for the list of invalid rows that the error names', async () => {
    const lines = readFileSync(join(world, 'train.csv'), 'utf8').split('\n');
    writeFileSync(
      'bad.csv',
      lines.map((line, i) => (i === 3 || i === 5 ? line.replace(/^\d,\d,/, '0,0,x') : line)).join('\n'),
    );
    const attempt = trainSmall(config(), {
      set: [`data.train=${process.cwd()}/bad.csv`, 'data.onBadRow=skip', 'data.maxRejects=1'],
    });
    await expect(attempt).rejects.toThrow('all are in runs/esmm/001/rejects.csv');
    expect(readFileSync('runs/esmm/001/rejects.csv', 'utf8').trimEnd().split('\n')).toHaveLength(3);
    expect(existsSync('runs/latest')).toBe(false);
  });
});

describe('summary.json and results.csv', () => {
  it('contain the request and the results, one row per evaluation', async () => {
    const set = ['training.epochs=2', 'training.evaluation={everySteps: 8}'];
    const result = await trainSmall(config(), { set });
    expect(readSummary('runs/latest')).toEqual(result);
    expect(result).toMatchObject({
      run: 'runs/esmm/001',
      end: 'finished',
      name: 'esmm',
      model: 'esmm',
      seed: 11,
      changes: set,
      epochs: 2,
      steps: 30,
      monitor: 'ctcvr.auc',
    });
    expect(result.monitored).toBe(result.metrics['valid']!['ctcvr']!['auc']);
    expect(result.rowsPerSecond).toBe(Math.round((1000 * 1800) / result.elapsedMs));
    const [header, ...rows] = readFileSync('runs/latest/results.csv', 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(','));
    const column = (name: string): (string | undefined)[] => rows.map((row) => row[header!.indexOf(name)]);
    expect(column('step')).toEqual(['8', '15', '16', '24', '30', String(result.bestStep)]);
    expect(column('split')).toEqual(['valid', 'train', 'valid', 'valid', 'valid', 'test']);
    expect(Number(column('ctcvr.auc').at(-1))).toBe(result.metrics['test']!['ctcvr']!['auc']);
    expect(
      column('isBest')
        .map((each, i) => (each === 'true' ? column('ctcvr.auc')[i] : undefined))
        .filter(Boolean)
        .at(-1),
    ).toBe(String(result.monitored));
  });

  it('of an interrupted run contain its progress, and are replaced on resume', async () => {
    const { signal, on } = abortAtStep(20);
    await trainSmall(config(), { runDir: 'run', signal, on });
    expect(readSummary('run')).toMatchObject({ end: 'interrupted', epochs: 1, steps: 20 });
    expect(existsSync('run/results.csv')).toBe(false);
    const { elapsedMs } = readSummary('run')!;
    const result = await trainSmall(config(), { resume: 'run', set: ['training.epochs=2'] });
    expect(readSummary('run')).toMatchObject({ end: 'finished', epochs: 2, steps: 30, changes: ['training.epochs=2'] });
    expect(result.elapsedMs).toBeGreaterThan(elapsedMs);
  });
});

describe('the default name of a config', () => {
  const named = (file: string, ...set: string[]): string =>
    parseConfig(readFileSync(config(), 'utf8'), join(world, file), set.map(parseOverride)).name;

  it('is that of its file, even if the model is overridden', () => {
    expect(named('esmm.yaml')).toBe('esmm');
    expect(named('esmm.yaml', 'model.name=esmm')).toBe('esmm');
    expect(named('esmm-small.yaml', 'model={name: mmoe}')).toBe('mmoe-small');
    expect(named('shop.yaml', 'model={name: mmoe}')).toBe('shop-mmoe');
    expect(named('esmm.yaml', 'model={name: mmoe}', 'name=mine')).toBe('mine');
  });
});
