/** @module-tag long */
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PromoteOptions } from '../../src/promote.js';
import { BIN, mtl } from '../support/mtl.js';
import { promoteRun as ask } from '../support/promote-run.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

const here = process.cwd();
let world: string;
const LINK = 'runs/channels/prod';
const gate = (metric: string, margin = 0): Partial<PromoteOptions> => ({
  gate: { metric, confidence: 0.95, margin },
  data: 'train.csv',
  allowTrainingRows: true,
});
const history = (): readonly Record<string, unknown>[] =>
  readFileSync(`${LINK}.jsonl`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-promote-'));
  await smallWorld(world);
  process.chdir(world);
  // Trained on the rows that the gate compares on: good and better, without doubt.
  await trainSmall('esmm.yaml', {
    name: 'weak',
    set: [
      'training.epochs=1',
      'training.optimizer.dense.learningRate=1e-6',
      'training.optimizer.embeddings.learningRate=1e-6',
    ],
  });
  await trainSmall('esmm.yaml', {
    name: 'good',
    set: [
      'training.epochs=6',
      'training.monitor=loss',
      'training.earlyStopping=null',
      'training.optimizer.dense.learningRate=0.01',
      'training.optimizer.embeddings.learningRate=0.01',
    ],
  });
  await trainSmall('esmm.yaml', {
    name: 'twin',
    set: [
      'training.epochs=6',
      'seed=12',
      'training.monitor=loss',
      'training.earlyStopping=null',
      'training.optimizer.dense.learningRate=0.01',
      'training.optimizer.embeddings.learningRate=0.01',
    ],
  });
}, 120_000);
beforeEach(() => process.chdir(world));
afterEach(() => {
  rmSync('runs/channels', { recursive: true, force: true });
  process.chdir(here);
});

describe('mtl promote', () => {
  it('promotes the first run of a channel at once, with or without a gate', async () => {
    expect(await ask('runs/esmm/weak', gate('ctr.auc'))).toEqual({
      channel: 'prod',
      path: LINK,
      run: 'runs/esmm/weak',
      over: null,
      isPromoted: true,
      reason: 'first',
      gate: null,
    });
    expect(readlinkSync(LINK)).toBe('../esmm/weak');
    expect(history()).toEqual([
      {
        time: expect.any(String) as string,
        run: 'esmm/weak',
        over: null,
        reason: 'first',
        checkpoint: expect.stringMatching(/^step-\d{8}$/) as string,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        gate: null,
      },
    ]);
  });

  it('promotes a better run over the present one, by the interval of mtl diff', async () => {
    await ask('runs/esmm/weak');
    const found = await ask('runs/esmm/good', gate('ctr.auc'));
    expect(found).toMatchObject({
      run: 'runs/esmm/good',
      over: 'runs/esmm/weak',
      isPromoted: true,
      reason: 'better',
      gate: { metric: 'ctr.auc', goal: 'higher', confidence: 0.95, margin: 0, data: ['train.csv'], rows: 900 },
    });
    expect(found.gate!.low).toBeGreaterThan(0);
    expect(readlinkSync(LINK)).toBe('../esmm/good');
    expect(history().at(-1)).toMatchObject({
      run: 'esmm/good',
      over: 'esmm/weak',
      reason: 'better',
      gate: { metric: 'ctr.auc', low: found.gate!.low },
    });
  });

  it('keeps the present run if the other is not better, for either direction of the metric', async () => {
    await ask('runs/esmm/good');
    for (const metric of ['ctr.auc', 'ctr.logLoss']) {
      expect(await ask('runs/esmm/weak', gate(metric))).toMatchObject({
        run: 'runs/esmm/weak',
        over: 'runs/esmm/good',
        isPromoted: false,
        reason: 'notBetter',
      });
      expect(await ask('runs/esmm/twin', gate(metric))).toMatchObject({ isPromoted: false });
    }
    expect(readlinkSync(LINK)).toBe('../esmm/good');
    expect(history()).toHaveLength(1);
  });

  it('requires a positive margin and permits a loss with a negative one', async () => {
    await ask('runs/esmm/good');
    expect(await ask('runs/esmm/weak', gate('ctr.logLoss', -0.001))).toMatchObject({ isPromoted: false });
    expect(await ask('runs/esmm/twin', gate('ctr.logLoss', -1))).toMatchObject({ isPromoted: true, reason: 'better' });
    await ask('runs/esmm/weak');
    expect(await ask('runs/esmm/good', gate('ctr.auc', 0.9))).toMatchObject({ isPromoted: false });
  });

  it('widens the interval with the confidence', async () => {
    await ask('runs/esmm/good');
    const widthAt = async (confidence: number): Promise<number> => {
      const { low, high } = (
        await ask('runs/esmm/twin', { ...gate('ctr.auc', 1), gate: { metric: 'ctr.auc', confidence, margin: 1 } })
      ).gate!;
      return high - low;
    };
    // Quantiles of the standard normal at .975 and .995.
    expect((await widthAt(0.99)) / (await widthAt(0.95))).toBeCloseTo(2.5758 / 1.96, 3);
  });

  it('does nothing if the channel already has the run', async () => {
    await ask('runs/esmm/good');
    expect(await ask('runs/esmm/good', gate('ctr.auc'))).toMatchObject({
      isPromoted: true,
      reason: 'present',
      over: 'runs/esmm/good',
    });
    expect(history()).toHaveLength(1);
  });

  it('returns to the previous run and back', async () => {
    await ask('runs/esmm/weak');
    await expect(ask(undefined)).rejects.toThrow(
      'runs/channels/prod: the channel has no run before runs/esmm/weak; name a run: npx mtl promote RUN --to prod',
    );
    await ask('runs/esmm/good');
    expect(await ask(undefined)).toMatchObject({ run: 'runs/esmm/weak', over: 'runs/esmm/good', reason: 'previous' });
    expect(readlinkSync(LINK)).toBe('../esmm/weak');
    expect(await ask(undefined)).toMatchObject({ run: 'runs/esmm/good' });
    expect(history().map(({ reason }) => reason)).toEqual(['first', 'ungated', 'previous', 'previous']);
  });

  it('compares again if another run was promoted in the meantime', async () => {
    await ask('runs/esmm/weak');
    const notices: string[] = [];
    let isFirst = true;
    // Better than weak, but not than what is promoted while the two are compared.
    const found = await ask('runs/esmm/twin', {
      ...gate('ctr.auc'),
      onWarning: (text) => notices.push(text),
      onProgress: () => {
        if (!isFirst) return;
        isFirst = false;
        expect(
          spawnSync(process.execPath, [BIN, 'promote', 'runs/esmm/good', '--to', 'prod'], { encoding: 'utf8' }),
        ).toMatchObject({ status: 0 });
      },
    });
    expect(found).toMatchObject({ isPromoted: false, over: 'runs/esmm/good' });
    expect(notices.filter((text) => !text.includes('was trained on'))).toEqual([
      'runs/channels/prod: another mtl promote changed the channel; comparing again',
    ]);
    expect(readlinkSync(LINK)).toBe('../esmm/good');
    expect(history().map(({ run }) => run)).toEqual(['esmm/weak', 'esmm/good']);
  });

  it.each([
    [
      'auc',
      2,
      '--if-better auc: at least one of the runs has no such metric; ' +
        'use --if-better ctr.auc or --if-better cvr.auc',
    ],
    ['ctr.acu', 2, "did you mean 'ctr.auc'?"],
    ['ctr.pcoc', 2, '--if-better ctr.pcoc: the metric has no better direction; name one of ctr.auc, ctr.logLoss'],
  ])('rejects the metric %s', async (metric, exitCode, message) => {
    await ask('runs/esmm/weak');
    const asking = ask('runs/esmm/good', gate(metric));
    await expect(asking).rejects.toMatchObject({ exitCode, message: expect.stringContaining(message) as string });
    expect(readlinkSync(LINK)).toBe('../esmm/weak');
  });

  it('rejects rows that differ between the runs', async () => {
    await trainSmall('esmm.yaml', { name: 'elsewhere', set: ['training.epochs=1', 'data.test=valid.csv'] });
    await ask('runs/esmm/weak');
    const asking = ask('runs/esmm/elsewhere', { gate: { metric: 'ctr.auc', confidence: 0.95, margin: 0 } });
    await expect(asking).rejects.toMatchObject({
      exitCode: 2,
      message:
        '--if-better ctr.auc: cannot pair rows: the test rows of the two runs differ; name data for both with --data',
    });
  });

  it('does not treat a channel with a missing run as empty, unless nothing is compared', async () => {
    await trainSmall('esmm.yaml', { name: 'gone', set: ['training.epochs=1'] });
    await ask('runs/esmm/gone');
    rmSync('runs/esmm/gone', { recursive: true });
    await expect(ask('runs/esmm/good', gate('ctr.auc'))).rejects.toMatchObject({
      exitCode: 4,
      message:
        'runs/channels/prod: the channel points to ../esmm/gone, which does not exist; ' +
        'promote without --if-better or name another run',
    });
    expect(await ask('runs/esmm/good')).toMatchObject({ isPromoted: true, over: 'runs/esmm/gone' });
    await expect(ask(undefined)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('the previous run runs/esmm/gone does not exist') as string,
    });
  });

  it.each(['', '.', 'a/b', '../x', 'run.lock', 'x'.repeat(65)])('rejects %j as a channel name', async (to) => {
    await expect(ask('runs/esmm/good', { to })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(/^--to .*expected/) as string,
    });
  });

  it('rejects a path that is not a run', async () => {
    await expect(ask('runs/esmm')).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('the directory contains runs but is not a run') as string,
    });
    await expect(ask('runs/none')).rejects.toMatchObject({ exitCode: 2 });
    await expect(ask('runs/esmm/good/checkpoints/best')).rejects.toMatchObject({ exitCode: 2 });
  });
});

describe('mtl promote, the command', () => {
  it('exits with 0 for a promotion and 7 for a rejection, as text or one object', async () => {
    expect(await mtl(world, ['promote', 'runs/esmm/good', '--to', 'prod'])).toEqual({
      code: 0,
      stderr: '',
      stdout: 'prod  points to runs/esmm/good, its first run\n',
    });
    const args = ['--to', 'prod', '--if-better', 'ctr.auc', '--data', 'train.csv', '--allow-training-rows'];
    const refused = await mtl(world, ['promote', 'runs/esmm/weak', ...args]);
    expect(refused).toMatchObject({ code: 7, stderr: '' });
    expect(refused.stdout).toContain('train.csv: the model was trained on a file with the same content');
    expect(refused.stdout).toMatch(
      /^prod {2}keeps runs\/esmm\/good: runs\/esmm\/weak is not better\n {6}ctr\.auc 0\.\d{4} in place of 0\.\d{4}, −0\.\d{4} \(95% interval −0\.\d{4} … −0\.\d{4}; must be above 0\), on 900 paired rows of train\.csv\n$/m,
    );
    const { code, stdout } = await mtl(world, ['promote', 'runs/esmm/weak', ...args, '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([
      7,
      expect.objectContaining({
        isPromoted: false,
        reason: 'notBetter',
        gate: expect.objectContaining({ metric: 'ctr.auc' }) as object,
      }),
    ]);
    expect((await mtl(world, ['promote', 'runs/esmm/twin', ...args, '--margin', '-0.5'])).stdout).toMatch(
      /^prod {2}points to runs\/esmm\/twin in place of runs\/esmm\/good\n {6}ctr\.auc /m,
    );
    expect((await mtl(world, ['promote', 'runs/esmm/weak', '--to', 'prod'])).stdout).toBe(
      'prod  points to runs/esmm/weak in place of runs/esmm/twin, without a comparison\n',
    );
    expect((await mtl(world, ['promote', '--to', 'prod', '--previous'])).stdout).toBe(
      'prod  points to runs/esmm/twin in place of runs/esmm/weak, as before\n',
    );
    expect((await mtl(world, ['promote', 'runs/esmm/twin', '--to', 'prod'])).stdout).toBe(
      'prod  already points to runs/esmm/twin\n',
    );
  });

  it.each([
    [['--to', 'prod'], /missing run; pass a run/],
    [['runs/esmm/good'], /missing required option --to/],
    [['runs/esmm/good', '--to', 'prod', '--previous'], /--previous/],
    [['runs/esmm/good', '--to', 'prod', '--margin', '1'], /--margin/],
    [['runs/esmm/good', '--to', 'prod', '--data', 'train.csv'], /--data/],
    [
      ['runs/esmm/good', '--to', 'prod', '--if-better', 'ctr.auc', '--confidence', '95'],
      /--confidence: expected a number between 0 and 1/,
    ],
    [['runs/esmm/good', '--to', 'prod', '--if-better', 'ctr.auc', '--margin', 'much'], /--margin: expected a number/],
  ])('rejects %j', async (args, message) => {
    expect(await mtl(world, ['promote', ...args])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(message) as string,
    });
  });

  it('creates a channel that commands accept as a run, and that protects its run', async () => {
    await ask('runs/esmm/good');
    const listed = await mtl(world, ['runs', 'good', '--json']);
    expect(JSON.parse(listed.stdout)).toMatchObject({ runs: [{ run: 'runs/esmm/good', channels: ['prod'] }] });
    expect((await mtl(world, ['runs'])).stdout).toMatch(/ channel.*\n(.*\n)*.*esmm\/good.* prod\b/);
    expect(await mtl(world, ['runs', 'rm', 'runs/esmm/good'])).toMatchObject({
      code: 2,
      stderr:
        "error: runs/esmm/good: the run is in channel 'prod'; promote another run first: " +
        'npx mtl promote RUN --to prod\n',
    });
    expect(await mtl(world, ['runs', 'rm', LINK])).toMatchObject({ code: 2 });
    expect((await mtl(world, ['runs', 'prune', '--keep-last', '0'])).code).toBe(0);
    const measured = await mtl(world, ['eval', LINK, '--json']);
    expect(measured.code).toBe(0);
    expect(await mtl(world, ['predict', LINK, '--data', 'test.csv', '--out', 'scores.csv'])).toMatchObject({ code: 0 });
    expect(await mtl(world, ['export', LINK, '--format', 'safetensors', '--out', 'model.safetensors'])).toMatchObject({
      code: 0,
    });
    expect(await mtl(world, ['report', LINK, '--out', 'report.html'])).toMatchObject({ code: 0 });
    expect((await mtl(world, ['diff', LINK, 'runs/esmm/weak'])).stdout).toMatch(/a {2}runs\/esmm\/good/);
    const warm = await mtl(world, [
      'train',
      'esmm.yaml',
      '--init-from',
      LINK,
      '--name',
      'warm',
      '--set',
      'training.epochs=1',
      '--threads',
      '1',
      '--device',
      'cpu',
    ]);
    expect(warm).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('starting from runs/esmm/good/checkpoints/') as string,
    });
    // An experiment moves runs/latest, not the channel.
    expect([readlinkSync('runs/latest'), readlinkSync(LINK)]).toEqual(['esmm/warm', '../esmm/good']);
  }, 120_000);
});
