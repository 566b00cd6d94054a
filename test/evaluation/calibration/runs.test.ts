/** @module-tag long */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyCurve, type Calibrator } from '../../../src/evaluation/calibration/curve.js';
import { evaluate, loadModel, predict, UserError } from '../../../src/index.js';
import type { TrainResult } from '../../../src/training/observer.js';
import { scratchFolder } from '../../support/scratch.js';
import { abortAtStep, smallWorld, traceOf, trainSmall } from '../../support/small-run.js';

const CALIBRATION = 'calibration={method: platt, outputs: {ctcvr: isotonic, cvr: temperature}}';

let [folder, run] = ['', ''];
let trained: TrainResult;
const notices: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-calibration-'));
  run = join(folder, 'run');
  await smallWorld(folder);
  trained = await trainSmall(join(folder, 'esmm.yaml'), {
    runDir: run,
    set: [CALIBRATION],
    on: { onWarning: (text) => notices.push(text) },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const on = { device: 'cpu', threads: 1 } as const;
const calibratorsOf = (checkpoint: string): Record<string, Calibrator> => {
  const { sections } = JSON.parse(readFileSync(join(checkpoint, 'state.json'), 'utf8')) as {
    sections: { calibration: { version: number; calibrators: Record<string, Calibrator> } };
  };
  return sections.calibration.calibrators;
};

/** The columns of a file of predictions. */
async function predicted(options: object): Promise<Record<string, number[]>> {
  const out = join(scratchFolder(), 'scores.csv');
  const { columns } = await predict(run, { data: join(folder, 'test.csv'), out, ...on, ...options });
  const [, ...lines] = readFileSync(out, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(',').map(Number));
  return Object.fromEntries(columns.map((name, c) => [name, lines.map((cells) => cells[c]!)]));
}

describe('calibration', () => {
  it('is fitted per output with its own method, and saved with the weights', () => {
    expect(
      Object.entries(calibratorsOf(join(run, 'checkpoints', 'best'))).map(([output, { method, curve }]) => [
        output,
        method,
        curve.kind,
      ]),
    ).toEqual([
      ['ctr', 'platt', 'logistic'],
      ['cvr', 'temperature', 'logistic'],
      ['ctcvr', 'isotonic', 'broken-line'],
    ]);
  });

  it('applies to the results of a run, which report its effect on log loss, PCOC and ECE', () => {
    for (const split of ['valid', 'test']) {
      for (const [output, report] of Object.entries(trained.metrics[split]!)) {
        const { method, before, after } = report.calibration!;
        expect(method).toBe({ ctr: 'platt', cvr: 'temperature', cvr_all: 'temperature', ctcvr: 'isotonic' }[output]);
        for (const numbers of [before, after])
          expect(Object.keys(numbers)).toEqual(['rows', 'positives', 'logLoss', 'pcoc', 'ece', 'bins']);
        expect([report['logLoss'], report['pcoc']]).toEqual([after['logLoss'], after['pcoc']]);
        expect(before['logLoss']).not.toBe(after['logLoss']);
      }
    }
    const { ctr, ctcvr } = trained.metrics['valid']!;
    // What each method makes of the rows that it was fitted on: the sum of Platt's targets, and a rate that is right in
    // every bin.
    const [positives, negatives] = [ctr!.positives!, ctr!.rows - ctr!.positives!];
    expect(ctr!['pcoc']).toBeCloseTo(
      (positives * ((positives + 1) / (positives + 2)) + negatives / (negatives + 2)) / positives,
      6,
    );
    expect(ctcvr!['pcoc']).toBeCloseTo(1, 6);
    expect(ctcvr!.calibration!.after['ece'] as number).toBeLessThan(ctcvr!.calibration!.before['ece'] as number);
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
    expect((JSON.parse(lines.at(-1)!) as { metrics: object }).metrics).toEqual(
      JSON.parse(JSON.stringify(trained.metrics)),
    );
  });

  it('does not affect the selection of the best epoch', async () => {
    const plain = await trainSmall(join(folder, 'esmm.yaml'), { runDir: join(scratchFolder(), 'plain') });
    expect([trained.bestStep, trained.monitored]).toEqual([plain.bestStep, plain.monitored]);
    for (const split of ['valid', 'test'])
      for (const [output, report] of Object.entries(trained.metrics[split]!))
        expect(report.calibration!.before['logLoss']).toBe(plain.metrics[split]![output]!['logLoss']);
  });

  it('applies in eval, and not with raw', async () => {
    const { metrics } = await evaluate(run, on);
    expect(metrics).toEqual(trained.metrics);
    const raw = await evaluate(run, { ...on, raw: true });
    for (const [output, report] of Object.entries(raw.metrics['test']!)) {
      expect(report.calibration).toBeUndefined();
      expect(report['logLoss']).toBe(metrics['test']![output]!.calibration!.before['logLoss']);
      expect(Object.keys(report)).toEqual(
        Object.keys(metrics['test']![output]!).filter((key) => key !== 'calibration'),
      );
    }
  });

  it('applies in predict and in loadModel, and not with raw', async () => {
    const [own, raw] = [await predicted({}), await predicted({ raw: true })];
    const calibrators = calibratorsOf(join(run, 'checkpoints', 'best'));
    for (const [output, values] of Object.entries(raw)) {
      const expected = Float32Array.from(values);
      applyCurve(calibrators[output]!.curve, expected, expected.length);
      expect(own[output]!.map(Math.fround)).toEqual([...expected]);
      expect(own[output]).not.toEqual(values);
    }
    const [header, ...lines] = readFileSync(join(folder, 'test.csv'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(','));
    const rows = lines.map((cells) => Object.fromEntries(header!.map((name, i) => [name, cells[i]!])));
    for (const [options, expected] of [
      [{}, own],
      [{ raw: true }, raw],
    ] as const) {
      const model = await loadModel(run, options);
      for (const [output, values] of Object.entries(model.predict(rows)))
        expect([...values]).toEqual(expected[output]!.map(Math.fround));
      model.dispose();
    }
  });

  it('is identical for a resumed run, and for any number of threads', async () => {
    const { signal, on: observer } = abortAtStep(20);
    const runDir = join(scratchFolder(), 'stopped');
    await trainSmall(join(folder, 'esmm.yaml'), { runDir, set: [CALIBRATION], signal, on: observer });
    await trainSmall(join(folder, 'esmm.yaml'), { resume: runDir, set: [CALIBRATION], threads: 3 });
    const { results, state, best } = traceOf(runDir);
    expect({ results, state, best }).toEqual((({ results, state, best }) => ({ results, state, best }))(traceOf(run)));
  });

  it('is rejected for weights to which it was not fitted, with a fix', async () => {
    const { signal, on: observer } = abortAtStep(20);
    const runDir = join(scratchFolder(), 'stopped');
    await trainSmall(join(folder, 'esmm.yaml'), { runDir, set: [CALIBRATION], signal, on: observer });
    const last = join(runDir, 'checkpoints', 'last');
    await expect(evaluate(last, on)).rejects.toThrow(
      /the weights are of step 20, but the calibration was fitted at step 15; name a checkpoint saved at a validation, such as checkpoints\/best, or use --raw to skip calibration/,
    );
    expect((await evaluate(last, { ...on, raw: true })).step).toBe(20);
    await expect(evaluate(join(runDir, 'checkpoints', 'best'), on)).resolves.toMatchObject({ step: 15 });
  });

  it('skips an output whose validation rows have one class, with one warning', async () => {
    const [header, ...lines] = readFileSync(join(folder, 'valid.csv'), 'utf8').trimEnd().split('\n');
    const at = header!.split(',').indexOf('purchase');
    writeFileSync(
      join(folder, 'none.csv'),
      [
        header,
        ...lines.map((line) =>
          line
            .split(',')
            .map((cell, c) => (c === at ? '0' : cell))
            .join(','),
        ),
      ].join('\n'),
    );
    const told: string[] = [];
    const { metrics } = await trainSmall(join(folder, 'esmm.yaml'), {
      runDir: join(scratchFolder(), 'run'),
      set: [CALIBRATION, 'training.monitor=ctr.auc', 'data.valid=none.csv'],
      on: { onWarning: (text) => told.push(text) },
    });
    expect(told.filter((text) => text.includes('not calibrated'))).toEqual([
      expect.stringMatching(
        /^cvr is not calibrated: the validation set has only one class: 0 positives among \d+ rows$/,
      ),
      expect.stringMatching(
        /^ctcvr is not calibrated: the validation set has only one class: 0 positives among 300 rows$/,
      ),
    ]);
    expect(Object.entries(metrics['test']!).map(([output, { calibration }]) => [output, calibration?.method])).toEqual([
      ['ctr', 'platt'],
      ['cvr', undefined],
      ['cvr_all', undefined],
      ['ctcvr', undefined],
    ]);
  });

  it('maps predictions that are corrected for negative downsampling', async () => {
    const { metrics } = await trainSmall(join(folder, 'esmm.yaml'), {
      runDir: join(scratchFolder(), 'run'),
      set: ['calibration={method: platt}', 'data.negativeSampling={rate: 0.2}', 'checkpoints={}'],
    });
    const { positives, rows, calibration } = metrics['valid']!['ctr']!;
    const negatives = rows - positives!;
    // Corrected behind it, the sum would be that of a fifth of the odds.
    expect(calibration!.after['pcoc']).toBeCloseTo(
      (positives! * ((positives! + 1) / (positives! + 2)) + negatives / (negatives + 2)) / positives!,
      6,
    );
    expect(calibration!.before['pcoc'] as number).toBeLessThan(1.5);
  });

  it('rejects outputs that cannot be calibrated, with a fix', async () => {
    const refused = async (set: readonly string[]): Promise<readonly string[]> => {
      const error: unknown = await trainSmall(join(folder, 'esmm.yaml'), {
        runDir: join(scratchFolder(), 'run'),
        set,
      }).catch((thrown: unknown) => thrown);
      if (!(error instanceof UserError)) throw error;
      return error.problems.map(({ key, message }) => `${key}: ${message}`);
    };
    expect(await refused(['calibration={method: plat}'])).toEqual([
      expect.stringMatching(/^calibration.method: .*platt/),
    ]);
    expect(await refused(['calibration={method: platt, outputs: {ctrr: none}}'])).toEqual([
      expect.stringMatching(/^calibration.outputs.ctrr: expected one of ctr, cvr, ctcvr, found "ctrr".*did you mean/),
    ]);
    expect(await refused(['calibration={method: platt, outputs: {cvr_all: none}}'])).toEqual([
      "calibration.outputs.cvr_all: 'cvr_all' has the prediction of 'cvr' on other rows; use 'cvr'",
    ]);
    expect(await refused(['calibration={method: platt, outputs: {ctr: none, cvr: none, ctcvr: none}}'])).toEqual([
      'calibration.outputs: disables every output; remove calibration instead',
    ]);
    expect(
      await refused([
        'calibration={method: platt}',
        'tasks={spend: {label: D508, type: regression}}',
        'model={name: shared-bottom}',
        'training.monitor=spend.rmse',
        'checkpoints={}',
      ]),
    ).toContainEqual('calibration: requires a classification task; remove calibration');
    const noValid = { train: 'train.csv' };
    expect(
      await refused([
        `data=${JSON.stringify(noValid)}`,
        'calibration={method: platt}',
        'training={epochs: 1}',
        'checkpoints={}',
      ]),
    ).toEqual(['calibration: requires a validation set; set data.valid']);
  });
});
