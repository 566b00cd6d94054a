/** @module-tag long */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { evaluate } from '../../src/evaluate.js';
import { exportModel } from '../../src/export.js';
import { formatSpec } from '../../src/export/formats.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { predict } from '../../src/predict.js';
import { randomStream } from '../../src/core/random.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import type { OutputReport } from '../../src/evaluation/evaluation.js';
import { compileTrained, readTrainedModel } from '../../src/trained-model/trained-model.js';
import { feedsOf, runOnnx } from '../support/onnx.js';
import { abortAtStep, traceOf, trainSmall } from '../support/small-run.js';
import { testBatch } from '../support/test-batch.js';

// A click, and weeks of 0 to 52 whose squared error is a thousand times as large as a log loss.

const quiet = { device: 'cpu' as const, threads: 1, onWarning: () => undefined, signal: new AbortController().signal };

function log(rows: number, seed: number, shift = 0): string {
  const random = randomStream(seed, 'log');
  const lines = Array.from({ length: rows }, () => {
    const [user, item] = [random.below(8), random.below(8)];
    const click = random.uniform() < 1 / (1 + Math.exp(user - item)) ? 1 : 0;
    const weeks = Math.min(52, Math.max(0, Math.round(6 * item + 5 * random.normal() + shift)));
    return [user, item, click, weeks, click === 1 ? weeks : 1000].join(',');
  });
  return `user,item,click,weeks,after\n${lines.join('\n')}\n`;
}

const CONFIG = `seed: 5
data: { train: train.csv, valid: valid.csv, test: valid.csv }
features:
  ids: { type: categorical, fields: [user, item], width: 4 }
tasks:
  ctr: { label: click }
  weeks: { label: weeks, type: regression }
model: { name: shared-bottom, hidden: [16], batchNorm: false, tower: { hidden: [] } }
training: { epochs: 6, batchSize: 50, optimizer: { dense: { learningRate: 0.01 }, embeddings: { learningRate: 0.02 } } }
checkpoints: { everySteps: 7, bestBy: [loss] }
`;

const home = process.cwd();
let folder: string;
const notices: Record<string, string[]> = {};
const valid: Record<string, Readonly<Record<string, OutputReport>>> = {};
const LOG_SCALE = 'tasks.weeks.scaling=[log1p, standard]';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-scaled-'));
  process.chdir(folder);
  writeFileSync('train.csv', log(600, 1));
  writeFileSync('valid.csv', log(300, 2));
  writeFileSync('other.csv', log(300, 3));
  writeFileSync('config.yaml', CONFIG);
  for (const [name, set] of [
    ['raw', []],
    ['standard', ['tasks.weeks.scaling=standard']],
    ['log', [LOG_SCALE]],
  ] as const) {
    const told: string[] = (notices[name] = []);
    valid[name] = (
      await trainSmall('config.yaml', { runDir: name, set, on: { onWarning: (text) => void told.push(text) } })
    ).metrics['valid']!;
  }
});
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => process.chdir(folder));

const savedScales = async (run: string): Promise<unknown> =>
  ((await readCheckpoint(`${run}/checkpoints/last`)).sections['data'] as { readonly labelScales?: unknown })
    .labelScales;
const cells = (path: string, column: number): number[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => Number(line.split(',')[column]));
const WIDE = "task 'weeks': labels have a standard deviation of";

describe('a regression with a scaled label', () => {
  it('does not affect the other task, and is evaluated in label units', () => {
    expect(valid['standard']!['weeks']!['r2']).toBeGreaterThan(0.85);
    expect(valid['standard']!['weeks']!['rmse']).toBeLessThan(7);
    expect(valid['standard']!['ctr']!['logLoss']).toBeLessThan((valid['raw']!['ctr']!['logLoss'] as number) - 0.03);
  });

  it('is suggested once at the start of a run with widely spread unscaled labels', async () => {
    expect(notices['raw']!.filter((text) => text.startsWith(WIDE))).toEqual([
      expect.stringMatching(
        /a standard deviation of 1\d\.\d in the first 600 rows of the training set, .*set scaling: standard for the task/,
      ),
    ]);
    expect(notices['standard']!.join()).not.toContain(WIDE);
    const again: string[] = [];
    await trainSmall('config.yaml', {
      runDir: 'small',
      set: [
        'tasks.weeks.label=click',
        'tasks.ctr.label=after',
        'tasks.ctr.type=regression',
        'tasks.ctr.scaling=none',
        'training.epochs=1',
      ],
      on: { onWarning: (text) => void again.push(text) },
    });
    expect(again.join()).not.toContain('spread far');
  });

  it('is reported once at the start of a run if a condition is never met', async () => {
    const told: string[] = [];
    const on = { onWarning: (text: string) => void told.push(text) };
    await trainSmall('config.yaml', {
      runDir: 'none',
      set: ['tasks.ctr.label={ column: click, equals: ja }', 'training.epochs=1'],
      on,
    });
    expect(told.filter((text) => text.startsWith("task 'ctr'"))).toEqual([
      expect.stringMatching(/its label is 0 in every row of the training set/),
    ]);
    expect(notices['raw']!.join()).not.toContain('so the task cannot be learned');
  });

  it('fits its scale to the rows that count, and stores it in the checkpoint', async () => {
    await trainSmall('config.yaml', {
      runDir: 'given',
      set: ['tasks.weeks.label=after', 'tasks.weeks.given=click', 'tasks.weeks.scaling=standard', 'training.epochs=1'],
    });
    const counted = cells('train.csv', 4).filter((_, row) => cells('train.csv', 2)[row] === 1);
    const mean = counted.reduce((sum, y) => sum + y, 0) / counted.length;
    const { weeks } = (await savedScales('given')) as {
      readonly weeks: { readonly mean: number; readonly deviation: number };
    };
    expect(weeks.mean).toBeCloseTo(mean, 9);
    expect(weeks.deviation).toBeCloseTo(
      Math.sqrt(counted.reduce((sum, y) => sum + (y - mean) ** 2, 0) / counted.length),
      9,
    );
    expect(await savedScales('raw')).toBeUndefined();
  });

  it.each(['standard', 'log'])('predicts in label units everywhere, scaled by %s', async (run) => {
    expect((await evaluate({ path: run, ...quiet })).metrics['valid']).toEqual(valid[run]);
    const elsewhere = (await evaluate({ path: run, data: 'other.csv', ...quiet })).metrics['test']!['weeks']!;
    expect(elsewhere['rmse']).toBeLessThan(7);

    await predict({ path: run, data: 'other.csv', out: `${run}.csv`, keep: ['weeks'], prefix: 'p_', ...quiet });
    const [truth, predicted] = [cells(`${run}.csv`, 0), cells(`${run}.csv`, 2)];
    expect(Math.sqrt(truth.reduce((sum, y, row) => sum + (y - predicted[row]!) ** 2, 0) / truth.length)).toBeCloseTo(
      elsewhere['rmse'] as number,
      3,
    );

    const model = await loadModel(run);
    const { weeks } = model.predict([
      { user: 1, item: 7 },
      { user: 1, item: 1 },
    ]);
    expect(weeks![0]! - weeks![1]!).toBeGreaterThan(20);
    model.dispose();

    const out = `${run}.onnx`;
    await exportModel({ path: run, spec: formatSpec('onnx', {}), out, ...quiet });
    const trained = await readTrainedModel(run);
    const batch = await testBatch(trained, 40);
    const exported = (await runOnnx(await InferenceSession.create(readFileSync(out)), feedsOf(batch))).get('weeks')!;
    const program = compileTrained(trained, createCpuEngine(), () => undefined);
    const own = (await program.predict(batch)).get('weeks')!;
    program.dispose();
    for (const [row, value] of exported.entries()) expect(Math.abs(value - own[row]!)).toBeLessThan(1e-3);
    expect(Math.max(...own)).toBeGreaterThan(20);
  });

  it('resumes byte for byte, also from a cache that another run filled', async () => {
    const set = [LOG_SCALE, 'data.cache=elsewhere'];
    const { signal, on } = abortAtStep(17);
    await trainSmall('config.yaml', { runDir: 'stopped', set, signal, on });
    await trainSmall('config.yaml', { resume: 'stopped', set });
    await trainSmall('config.yaml', { runDir: 'whole', set });
    expect({ ...traceOf('stopped'), results: '' }).toEqual({ ...traceOf('whole'), results: '' });
  });

  it('keeps the scale of its warm-start run if the last layer is loaded', async () => {
    writeFileSync('later.csv', log(600, 4, 10));
    const set = [
      'tasks.weeks.scaling=standard',
      'data.train=later.csv',
      'training.epochs=1',
      'initFrom.checkpoint=standard',
    ];
    const told: string[] = [];
    await trainSmall('config.yaml', { runDir: 'warm', set, on: { onWarning: (text) => void told.push(text) } });
    expect(await savedScales('warm')).toEqual(await savedScales('standard'));
    expect(told.join('\n')).toContain('scales and boundaries from the checkpoint: the label of weeks');
    expect(
      (await evaluate({ path: 'warm', data: 'later.csv', ...quiet })).metrics['test']!['weeks']!['rmse'],
    ).toBeLessThan(9);
    await trainSmall('config.yaml', { runDir: 'tables', set: [...set, 'initFrom.include=embeddings'] });
    expect(await savedScales('tables')).not.toEqual(await savedScales('standard'));
    await expect(
      trainSmall('config.yaml', { runDir: 'other', set: [...set, 'tasks.weeks.scaling=log1p'] }),
    ).rejects.toThrow(
      "tasks.weeks.scaling: the scaling is log1p, but the checkpoint's output layer was trained with standard; " +
        "restore the scaling or exclude it: include: ['*', '!towers.weeks.out.*']",
    );
  });

  it('rejects rows with labels that its scaling does not support', async () => {
    writeFileSync('below.csv', log(50, 1).replace(/\n(\d),(\d),(\d),\d+,/, '\n$1,$2,$3,-1,'));
    await expect(
      trainSmall('config.yaml', { runDir: 'below', set: [LOG_SCALE, 'data.valid=below.csv'] }),
    ).rejects.toThrow(/below\.csv:2.*a number above -1, for log\(1 \+ x\)/);
    // Whoever does not take the logarithm has read the file before.
    await trainSmall('config.yaml', {
      runDir: 'fine',
      set: ['tasks.weeks.scaling=standard', 'data.valid=below.csv', 'training.epochs=1'],
    });
    await expect(
      trainSmall('config.yaml', { runDir: 'below2', set: [LOG_SCALE, 'data.valid=below.csv'] }),
    ).rejects.toThrow('a number above -1');
  });
});
