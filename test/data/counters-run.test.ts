/** @module-tag long */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { trainTrees } from '../../src/baseline.js';
import { check } from '../../src/check.js';
import { loadConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { randomStream } from '../../src/core/random.js';
import type { CounterState } from '../../src/data/counters/counter-set.js';
import { splitStates } from '../../src/data/counters/counter-start.js';
import { evaluate } from '../../src/evaluate.js';
import { predict } from '../../src/predict.js';
import type { TrainResult } from '../../src/training/observer.js';
import { readTrainedModel } from '../../src/trained-model/trained-model.js';
import { abortAtStep, trainSmall, type SmallRun } from '../support/small-run.js';

// Runs with counters on a log in which the click rate of items drifts.

const NUM_ITEMS = 30;
const NUM_ROWS = 9000;
const START = Date.UTC(2026, 0, 1);
const ROW_MS = 240_000;

/** Draws a log; the click rate of each item changes every second day. */
function drawLog(): string[] {
  const random = randomStream(7, 'drifting log');
  const rates = Array.from({ length: NUM_ITEMS }, () => 0);
  return Array.from({ length: NUM_ROWS }, (_, i) => {
    if (i % 720 === 0) for (let item = 0; item < NUM_ITEMS; item++) rates[item] = random.uniform() < 0.3 ? 0.6 : 0.08;
    const item = random.below(NUM_ITEMS);
    const time = new Date(START + i * ROW_MS).toISOString();
    return `${time},${item},${random.uniform() < rates[item]! ? 1 : 0}`;
  });
}

const hasPipes = spawnSync('mkfifo', ['--version']).error === undefined;
const HEADER = 'time,item,click';
const CUTS = [6000, 7500];
const quiet = { device: 'cpu', threads: 1, onWarning: () => undefined, signal: new AbortController().signal } as const;

let folder: string;
let without: TrainResult;
let trained: TrainResult;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-'));
  const rows = drawLog();
  const parts = { train: rows.slice(0, CUTS[0]), valid: rows.slice(CUTS[0], CUTS[1]), test: rows.slice(CUTS[1]) };
  for (const [name, part] of Object.entries(parts))
    writeFileSync(join(folder, `${name}.csv`), [HEADER, ...part, ''].join('\n'));
  const config = (counters: string, feature: string): string => `seed: 5
runs: runs
data:
  train: train.csv
  valid: valid.csv
  test: test.csv
${counters}
features:
  item: { type: categorical, fields: [item], width: 4, encoding: { name: tokens } }
${feature}
tasks: { ctr: { label: click } }
model: { name: single-task, tower: { hidden: [8] } }
training: { epochs: 4, batchSize: 128, optimizer: { dense: { name: adam, learningRate: 0.01 } } }
`;
  const counters = `  counters:
    time: time
    delay: 30m
    count:
      item_ctr: { by: item, of: click, within: 1d, rate: { prior: 5 } }
      item_shows: { by: item, within: 1d }
`;
  const feature = '  recent: { type: numeric, fields: [item_ctr, item_shows], scaling: standard }';
  writeFileSync(join(folder, 'without.yaml'), config('', ''));
  writeFileSync(join(folder, 'with.yaml'), config(counters, feature));
  without = await trainSmall(join(folder, 'without.yaml'), {});
  trained = await trainSmall(join(folder, 'with.yaml'), {});
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const metric = (metrics: TrainResult['metrics'], split: string, name: string): number =>
  Number((metrics[split]!['ctr'] as unknown as Readonly<Record<string, number>>)[name]);

/** Predicts a file; returns the predictions in order. */
async function predictFile(name: string, content: string, options: { cursor?: string } = {}): Promise<number[]> {
  writeFileSync(join(folder, name), content);
  const out = join(folder, `${name}.out.csv`);
  await predict({ path: trained.run, data: join(folder, name), out, keep: [], prefix: '', ...quiet, ...options });
  return readFileSync(out, 'utf8').trimEnd().split('\n').slice(1).map(Number);
}

describe('a run with counters', () => {
  it('predicts drifting click rates better than one without', () => {
    const [before, after] = [without, trained].map(({ metrics }) => metric(metrics, 'test', 'auc'));
    expect(after! - before!).toBeGreaterThan(0.05);
  });

  it('gives the same metrics when it is evaluated, also without the training set', async () => {
    const { metrics } = await evaluate({ path: trained.run, ...quiet });
    for (const split of ['valid', 'test'])
      for (const name of ['auc', 'logLoss'])
        expect(metric(metrics, split, name)).toBe(metric(trained.metrics, split, name));
    const other = await evaluate({ path: trained.run, data: join(folder, 'test.csv'), ...quiet });
    expect(metric(other.metrics, 'test', 'auc')).toBe(metric(trained.metrics, 'test', 'auc'));
  });

  it.skipIf(!hasPipes)('is evaluated on a pipe as on a file', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const writer = spawn('sh', ['-c', 'cat "$0" > "$1"', join(folder, 'test.csv'), pipe], { stdio: 'ignore' });
    onTestFinished(() => void writer.kill());
    const { metrics } = await evaluate({ path: trained.run, data: pipe, ...quiet });
    expect(metrics).toEqual({ test: (await evaluate({ path: trained.run, ...quiet })).metrics['test'] });
  });

  it('stores its counters in the checkpoint, from which predictions continue', async () => {
    expect(existsSync(join(trained.run, 'checkpoints', 'best', 'counters.safetensors'))).toBe(true);
    const rows = readFileSync(join(folder, 'test.csv'), 'utf8').trimEnd().split('\n').slice(1);
    const predictions = await predictFile('labeled.csv', [HEADER, ...rows, ''].join('\n'));
    const logLoss =
      rows.reduce((sum, row, i) => sum - Math.log(row.endsWith('1') ? predictions[i]! : 1 - predictions[i]!), 0) /
      rows.length;
    expect(logLoss).toBeCloseTo(metric(trained.metrics, 'test', 'logLoss'), 5);
    // Without labels, no click becomes known: the first rows are the same, and later ones are not.
    const unlabeled = rows.map((row) => row.slice(0, row.lastIndexOf(',')));
    const blind = await predictFile('unlabeled.csv', ['time,item', ...unlabeled, ''].join('\n'));
    expect(blind.slice(0, 7)).toEqual(predictions.slice(0, 7));
    expect(blind).not.toEqual(predictions);
    await expect(predictFile('new.csv', `${HEADER}\n`, { cursor: join(folder, 'cursor.json') })).rejects.toThrow(
      '--cursor: does not apply to a model with data.counters, which count all rows; remove --cursor',
    );
  });
});

describe('a warm start with counters', () => {
  /** Trains on the validation set of the run before, and validates on its test set. */
  const next = ['data.train=valid.csv', 'data.valid=test.csv', 'data.test=null'];
  const weightsOf = ({ run }: TrainResult): Buffer => readFileSync(join(run, 'checkpoints/last/weights.safetensors'));
  const train = (from: string, more: SmallRun = {}): Promise<TrainResult> =>
    trainSmall(join(folder, 'with.yaml'), { set: [`initFrom.checkpoint=${from}`, ...next], ...more });

  it('continues them, gives the same result again, and is resumed bitwise without the run before', async () => {
    const warnings: string[] = [];
    const first = await train(trained.run, { on: { onWarning: (text) => void warnings.push(text) } });
    expect(warnings.join('\n')).toContain('counters continue from');
    const log = readFileSync(join(first.run, 'log.jsonl'), 'utf8');
    expect(log).toMatch(/"counters continue from [^"]*, after 2026-01-17T15:56:00.000Z"/);
    // The test set of the run before is the validation set: the state after it is the same.
    const endsOf = async ({ run }: TrainResult): Promise<readonly CounterState[]> =>
      splitStates((await readTrainedModel(run)).checkpoint.states.counters).ends;
    expect(await endsOf(first)).toEqual((await endsOf(trained)).slice(1));
    const again = await train(trained.run);
    expect(weightsOf(again).equals(weightsOf(first))).toBe(true);
    expect(again.metrics).toEqual(first.metrics);

    const copy = join(folder, 'copy');
    cpSync(trained.run, copy, { recursive: true, verbatimSymlinks: true });
    const stopped = await train(copy, abortAtStep(17));
    expect(stopped.end).toBe('interrupted');
    rmSync(copy, { recursive: true });
    rmSync(join(folder, '.mtl'), { recursive: true });
    const resumed = await train(copy, { resume: stopped.run });
    expect(weightsOf(resumed).equals(weightsOf(first))).toBe(true);
    expect(resumed.metrics).toEqual(first.metrics);
  });

  /** Counts the rows of an item in the day before each row; returns the number of distinct counts. */
  function countDistinctShows(rows: readonly string[], from: number, to: number): number {
    const [items, slotMs] = [rows.map((row) => row.split(',')[1]), 86_400_000 / 64];
    const counts = new Set<number>();
    for (let row = from; row < to; row++) {
      const begin = Math.floor((START + row * ROW_MS - 86_400_000) / slotMs);
      let count = 0;
      for (let i = row - 1; i >= 0 && Math.floor((START + i * ROW_MS) / slotMs) >= begin; i--)
        count += Number(items[i] === items[row]);
      counts.add(count);
    }
    return counts.size;
  }

  it('checks a config with the counters of its training', async () => {
    const warnings: string[] = [];
    const { data } = await check({
      path: join(folder, 'with.yaml'),
      set: [`initFrom.checkpoint=${trained.run}`, ...next],
      sampleRows: NUM_ROWS,
      ...quiet,
      onWarning: (text) => void warnings.push(text),
    });
    expect(warnings.join('\n')).toMatch(/^counters continue from .*, after 2026-01-17T15:56:00.000Z$/m);
    const expected = countDistinctShows(drawLog(), CUTS[0]!, CUTS[1]!);
    expect(expected).not.toBe(countDistinctShows(drawLog().slice(CUTS[0]), 0, CUTS[1]! - CUTS[0]!));
    expect(data.fields.find(({ name }) => name === 'item_shows')!.values).toBe(expected);
  });

  it('gives a baseline the counters of the training', async () => {
    // Stands in for Python with LightGBM: keeps the rows, and fails.
    const python = join(folder, 'python.sh');
    const kept = join(folder, 'kept');
    writeFileSync(python, `#!/bin/sh\n[ "$1" = -c ] && exit 0\ncp -r "$2" ${kept}\nexit 9\n`);
    chmodSync(python, 0o755);
    vi.stubEnv('MTL_PYTHON', python);
    const set = [`initFrom.checkpoint=${trained.run}`, ...next];
    const loaded = await loadConfig(join(folder, 'with.yaml'), set.map(parseOverride));
    const options = { ...quiet, overrides: set, patience: 5, params: {}, onProgress: () => undefined };
    await expect(trainTrees(loaded, options)).rejects.toThrow('training trees failed (exit code 9)');
    const { columns } = JSON.parse(readFileSync(join(kept, 'spec.json'), 'utf8')) as {
      readonly columns: readonly { readonly name: string }[];
    };
    const { buffer, byteOffset, byteLength } = readFileSync(join(kept, 'train.features.f32'));
    const features = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
    const at = columns.findIndex(({ name }) => name === 'item_shows');
    const shows = features.filter((_, i) => i % columns.length === at);
    expect(shows).toHaveLength(CUTS[1]! - CUTS[0]!);
    expect(new Set(shows).size).toBe(countDistinctShows(drawLog(), CUTS[0]!, CUTS[1]!));
  });
});
