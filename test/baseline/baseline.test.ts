/** @module-tag long */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { trainTrees, type BaselineResult } from '../../src/baseline.js';
import { findPython, runTrees } from '../../src/baseline/python.js';
import { TreeProcess } from '../../src/baseline/tree-process.js';
import { loadConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { randomStream } from '../../src/core/random.js';
import { diff } from '../../src/diff.js';
import { describeRun } from '../../src/runs/run-list.js';
import { report } from '../../src/report.js';
import { needsPython, python, PYTHON } from '../support/python.js';
import { trainSmall } from '../support/small-run.js';

const CONFIG = `
seed: 7
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  words: { type: categorical, fields: [color], width: 4, encoding: tokens }
  numbers: { type: numeric, fields: [size, price] }
tasks:
  ctr: { label: click, sampleWeight: weight }
  cvr: { label: buy, given: click, positiveWeight: 2 }
  spend: { label: amount, type: regression, scaling: [log1p, standard] }
model: { name: shared-bottom }
training: { epochs: 1 }
`;

/** Rows whose labels depend on a color, and not linearly on two numbers. */
function csv(name: string, rows: number): string {
  const random = randomStream(5, name);
  const lines = Array.from({ length: rows }, () => {
    const [color, size, price] = [random.below(6), random.normal(), random.normal()];
    const click = Number(random.uniform() < 1 / (1 + Math.exp(-(size * price + (color % 3) - 1))));
    const buy = Number(click === 1 && random.uniform() < 1 / (1 + Math.exp(-price - color / 3)));
    const amount = Math.exp(0.5 * size + 0.1 * random.normal());
    const weight = 0.5 + random.below(2);
    return [click, buy, amount.toFixed(4), `c${color}`, size.toFixed(4), price.toFixed(4), weight].join(',');
  });
  return ['click,buy,amount,color,size,price,weight', ...lines, ''].join('\n');
}

/** Trains the same trees without mtl, and measures them with scikit-learn. */
const REFERENCE = `
import json, lightgbm as lgb, numpy as np
from sklearn.metrics import log_loss, mean_squared_error, roc_auc_score

def load(name):
    rows = [line.strip().split(',') for line in open(name + '.csv')][1:]
    column = lambda at: np.array([float(row[at]) for row in rows])
    words = np.array([int(row[3][1:]) for row in rows])
    return column, words

splits = {name: load(name) for name in ['train', 'valid', 'test']}
column, words = splits['train']
# mtl numbers tokens by their frequency; another order of categories gives the same splits except for ties.
order = json.load(open('order.json'))
def features(split):
    column, words = splits[split]
    return np.stack([[order.index(f'c{word}') + 1 for word in words], column(4), column(5)], axis=1).astype('f4')

def train(objective, label, rows, weight):
    def data(split, reference=None):
        keep = rows(split)
        return lgb.Dataset(features(split)[keep], label=label(split)[keep], weight=weight(split)[keep],
                           categorical_feature=[0], reference=reference)
    training = data('train')
    params = dict(objective=objective, learning_rate=0.1, num_leaves=15, seed=7, num_threads=1, deterministic=True,
                  force_row_wise=True, verbosity=-1)
    model = lgb.train(params, training, 30, valid_sets=[data('valid', training)],
                      callbacks=[lgb.early_stopping(5, verbose=False)])
    return model.predict(features('test'), num_iteration=model.best_iteration)

everywhere = lambda split: np.ones(len(splits[split][1]), bool)
clicked = lambda split: splits[split][0](0) == 1
ctr = train('binary', lambda split: splits[split][0](0), everywhere, lambda split: splits[split][0](6))
cvr = train('binary', lambda split: splits[split][0](1), clicked, lambda split: 1 + splits[split][0](1))
logs = np.log1p(column(2))
scale = lambda values: (np.log1p(values) - logs.mean()) / logs.std()
spend = train('regression', lambda split: scale(splits[split][0](2)), everywhere, lambda split: everywhere(split) * 1.0)
spend = np.expm1(spend * logs.std() + logs.mean())
test = splits['test'][0]
print(json.dumps({
    'ctr.auc': roc_auc_score(test(0), ctr), 'ctr.logLoss': log_loss(test(0), ctr),
    'cvr.auc': roc_auc_score(test(1)[test(0) == 1], cvr[test(0) == 1]),
    'ctcvr.auc': roc_auc_score(test(1), ctr * cvr), 'ctcvr.logLoss': log_loss(test(1), ctr * cvr),
    'spend.rmse': mean_squared_error(test(2), spend) ** 0.5,
}))
`;

const noFolds = new Uint8Array(1);
let folder: string;
const at = (name: string): string => join(folder, name);
const lightgbm = async (set: readonly string[] = [], more: object = {}): Promise<BaselineResult> =>
  trainTrees(await loadConfig(at('config.yaml'), set.map(parseOverride)), {
    overrides: set,
    rounds: 30,
    patience: 5,
    params: { num_leaves: '15' },
    threads: 1,
    onProgress: () => undefined,
    onWarning: () => undefined,
    signal: new AbortController().signal,
    ...more,
  });

/** The run that most tests use. */
let first: Promise<BaselineResult> | undefined;
const shared = (): Promise<BaselineResult> => (first ??= lightgbm([], { runDir: at('trees') }));

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-baseline-test-'));
  writeFileSync(at('config.yaml'), CONFIG);
  for (const [name, rows] of Object.entries({ train: 2000, valid: 1000, test: 1000 }))
    writeFileSync(at(`${name}.csv`), csv(name, rows));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Creates a program that stands in for Python. */
function fakePython(script: string): string {
  const path = at('python.sh');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

// Python takes long to import LightGBM on a loaded machine.
describe('mtl baseline', { timeout: 300_000 }, () => {
  it('reports a missing Python, a missing lightgbm and a failure with their fixes', async () => {
    expect(() => findPython(at('none'))).toThrow(
      /^MTL_PYTHON: cannot run .*none \(.*ENOENT.*\); install Python, or set MTL_PYTHON to the path of one with lightgbm$/,
    );
    const without = fakePython('echo Traceback >&2; echo "ModuleNotFoundError: No module named lightgbm" >&2; exit 1');
    expect(() => findPython(without)).toThrow(
      `cannot import lightgbm (ModuleNotFoundError: No module named lightgbm); run ${without} -m pip install ` +
        'lightgbm, or set MTL_PYTHON to a Python that has it',
    );
    // Only `python` runs, as on Windows.
    const names = at('names');
    mkdirSync(names);
    writeFileSync(join(names, 'python'), '#!/bin/sh\necho LightGBM 4, Python 3', { mode: 0o755 });
    vi.stubEnv('MTL_PYTHON', undefined);
    vi.stubEnv('PATH', names);
    expect(findPython()).toEqual({ command: 'python', versions: 'LightGBM 4, Python 3' });
    vi.unstubAllEnvs();
    const failing = { command: fakePython('echo "out of memory" >&2; exit 9'), versions: '' };
    const ignore = (): undefined => undefined;
    await expect(runTrees(failing, folder, ignore, new AbortController().signal)).rejects.toThrow(
      /training trees failed \(exit code 9\); its last output was: out of memory$/,
    );
    const waiting = { command: fakePython('sleep 60'), versions: '' };
    const controller = new AbortController();
    const stopped = runTrees(waiting, folder, ignore, controller.signal);
    controller.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
    const models = { columns: 1, models: [['ctr.txt']], threads: 1 };
    const scoring = (script: string): Promise<unknown> =>
      new TreeProcess({ command: fakePython(script), versions: '' }, models).predict(Float32Array.of(1), noFolds);
    await expect(scoring('echo "no such model" >&2; exit 9')).rejects.toThrow(
      /scoring rows with trees failed; its last output was: no such model$/,
    );
    await expect(
      new TreeProcess({ command: at('none'), versions: '' }, models).predict(Float32Array.of(1), noFolds),
    ).rejects.toThrow(/none: scoring rows with trees failed; its last output was: .*ENOENT/);
  });

  it('trains the trees of LightGBM, with the metrics of scikit-learn', async (test) => {
    needsPython(test, 'lightgbm', 'sklearn');
    const counts = new Map<string, number>();
    for (const line of readFileSync(at('train.csv'), 'utf8').trim().split('\n').slice(1)) {
      const color = line.split(',')[3]!;
      counts.set(color, (counts.get(color) ?? 0) + 1);
    }
    writeFileSync(at('order.json'), JSON.stringify([...counts].sort(([, a], [, b]) => b - a).map(([color]) => color)));
    const { metrics, trees } = await shared();
    const expected = JSON.parse(python(folder, REFERENCE)) as Record<string, number>;
    for (const [name, value] of Object.entries(expected)) {
      const [output, metric] = name.split('.') as [string, string];
      expect(metrics['test']![output]![metric], name).toBeCloseTo(value, 5);
    }
    expect(Object.keys(trees)).toEqual(['ctr', 'cvr', 'spend']);
    expect(metrics['test']!['ctr']!['auc']).toBeGreaterThan(0.7);
  });

  it('is deterministic, and corrects predictions for negative sampling', async (test) => {
    needsPython(test, 'lightgbm');
    const [a, b] = [await shared(), await lightgbm([], { runDir: at('again') })];
    expect(b.metrics).toEqual(a.metrics);
    expect(readFileSync(at('again/predictions.safetensors'))).toEqual(
      readFileSync(at('trees/predictions.safetensors')),
    );
    const set = [
      'training.monitor=ctr.auc',
      'data.negativeSampling.rate=0.3',
      'tasks.cvr=null',
      'tasks.spend=null',
      'tasks.ctr.sampleWeight=null',
    ];
    const sampled = await lightgbm(set, { runDir: at('sampled') });
    // Without the correction, three times as many positives are predicted.
    expect(sampled.metrics['test']!['ctr']!['pcoc']).toBeGreaterThan(0.85);
    expect(sampled.metrics['test']!['ctr']!['pcoc']).toBeLessThan(1.15);
  });

  it('writes a run that mtl runs, report and diff show', async (test) => {
    needsPython(test, 'lightgbm');
    const trees = await shared();
    await trainSmall(at('config.yaml'), { runDir: at('model') });
    expect(describeRun(at('trees'), 0)).toMatchObject({
      state: 'completed',
      model: 'lightgbm',
      bottom: null,
      step: Object.values(trees.trees).reduce((sum, count) => sum + count, 0),
      metrics: trees.metrics,
    });
    const page = await report({ runs: [at('trees'), at('model')], out: at('report.html') });
    expect(readFileSync(page, 'utf8').includes('<h2>Results</h2>')).toBe(true);
    const options = { device: 'cpu', threads: 1, isRecorded: false, onWarning: () => undefined } as const;
    const compare = (limit: number, more: object = {}) =>
      diff({ paths: [at('model'), at('trees')], limit, signal: new AbortController().signal, ...options, ...more });
    const found = await compare(1e6);
    expect(found).toMatchObject({ unpaired: null, rows: 1000, data: { train: true, valid: true, test: true } });
    const auc = found.metrics.find(({ output, metric }) => output === 'ctcvr' && metric === 'auc')!;
    expect(auc.b).toBe(trees.metrics['test']!['ctcvr']!['auc']);
    expect(auc.low).toBeLessThan(auc.difference!);
    // Sampled rows are the same for both.
    expect(await compare(300)).toMatchObject({ unpaired: null, predictedRows: 300 });
    await expect(compare(300, { data: at('test.csv') })).rejects.toThrow('cannot predict other data; omit --data');
  });

  it('fails without a trace of a run if Python is missing', async () => {
    const before = process.env['MTL_PYTHON'];
    process.env['MTL_PYTHON'] = at('none');
    try {
      await expect(lightgbm([], { runDir: at('never') })).rejects.toThrow('MTL_PYTHON: cannot run');
    } finally {
      process.env['MTL_PYTHON'] = before ?? PYTHON;
    }
    expect(() => readFileSync(at('never/config.source.yaml'))).toThrow('ENOENT');
  });
});
