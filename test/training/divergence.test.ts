/** @module-tag long */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, traceOf, trainSmall } from '../support/small-run.js';

const home = process.cwd();
let world: string;
const config = (): string => join(world, 'mmoe.yaml');
/** Numbers as they are, so that one that is nearly infinite reaches the model. */
const NUMBERS = ['features.more={type: numeric, fields: [D508, D853]}'];

beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-divergence-'));
  await smallWorld(world);
  const lines = readFileSync(join(world, 'train.csv'), 'utf8').trimEnd().split('\n');
  const column = lines[0]!.split(',').indexOf('D508');
  const cells = lines[500]!.split(',');
  cells[column] = '3e38';
  lines[500] = cells.join(',');
  writeFileSync(join(world, 'train.csv'), `${lines.join('\n')}\n`);
});
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

const events = (run: string, name: string): Record<string, unknown>[] =>
  readFileSync(join(run, 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ event }) => event === name);

describe('a non-finite loss', () => {
  it('skips its batch if configured, and is counted everywhere', async () => {
    const { end, numSkippedBatches, metrics } = await trainSmall(config(), {
      runDir: 'run',
      set: [...NUMBERS, 'training.onDivergence=skip'],
    });
    expect([end, numSkippedBatches]).toEqual(['finished', 4]);
    expect(metrics['test']!['ctr']!['auc']).toBeGreaterThan(0.4);
    expect(events('run', 'skip')).toMatchObject(
      [1, 2, 3, 4].map((epoch) => ({
        epoch,
        term: 'ctr',
        value: 'NaN',
        batch: expect.any(Number) as number,
        step: expect.any(Number) as number,
      })),
    );
    expect(events('run', 'end')).toMatchObject([{ numSkippedBatches: 4 }]);
    const lines = readFileSync('run/metrics.jsonl', 'utf8')
      .trimEnd()
      .split('\n')
      .slice(0, 4)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    // An epoch has 15 batches, and one of them is no step.
    expect(lines).toMatchObject(
      [1, 2, 3, 4].map((epoch) => ({ epoch, step: 14 * epoch, rows: 900, skippedBatches: 1 })),
    );
  });

  it('stops a run by default, saved before the batch, from where it may skip it', async () => {
    await trainSmall(config(), { runDir: 'whole', set: [...NUMBERS, 'training.onDivergence=skip'] });
    const attempt = trainSmall(config(), { runDir: 'run', set: NUMBERS });
    await expect(attempt).rejects.toMatchObject({ exitCode: 6 });
    await expect(attempt).rejects.toThrow(/epoch 1, batch \d+, step \d+: loss 'ctr': is NaN/);
    const [, batch] = /batch (\d+)/.exec(String(await attempt.catch((error: unknown) => error)))!;
    expect(JSON.parse(readFileSync('run/checkpoints/last/state.json', 'utf8'))).toMatchObject({
      sections: { loop: { epoch: 0, batch: Number(batch) - 1, step: Number(batch) - 1 } },
    });
    await expect(trainSmall(config(), { resume: 'run', set: NUMBERS })).rejects.toMatchObject({ exitCode: 6 });
    await trainSmall(config(), { resume: 'run', set: [...NUMBERS, 'training.onDivergence=skip'] });
    expect(traceOf('run')).toEqual(traceOf('whole'));
  });

  it('is reported with a full disk, and both are logged', async () => {
    // A file where the folder of checkpoints would be.
    const attempt = trainSmall(config(), {
      runDir: 'run',
      set: [...NUMBERS, 'checkpoints.everySteps=1000'],
      on: { onStart: () => writeFileSync('run/checkpoints', '') },
    });
    await expect(attempt).rejects.toMatchObject({ exitCode: 6 });
    const failures = events('run', 'failure').map(({ err }) => (err as { message: string }).message);
    expect(failures).toEqual([
      expect.stringContaining("loss 'ctr': is NaN"),
      expect.stringContaining('run/checkpoints'),
    ]);
  });

  it('ends a run even with skip if weights are not finite', async () => {
    const set = [
      'training.batchSize=8',
      'training.optimizer.dense.learningRate=1e30',
      'training.optimizer.embeddings.learningRate=1e30',
      'training.onDivergence=skip',
    ];
    const attempt = trainSmall(config(), { runDir: 'run', set });
    await expect(attempt).rejects.toMatchObject({ exitCode: 6 });
    await expect(attempt).rejects.toThrow(
      /and weights are not finite either, so skipping batches cannot help|after 20 skipped batches in a row/,
    );
  });
});
