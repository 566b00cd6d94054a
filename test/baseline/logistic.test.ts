import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { report } from '../../src/report.js';
import { describeRun } from '../../src/runs/run-list.js';
import { readSummary } from '../../src/runs/summary.js';
import { needsPython, python } from '../support/python.js';
import { abortAtStep, smallWorld, traceOf, trainSmall } from '../support/small-run.js';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-logistic-'));
  await smallWorld(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Rows whose logit is linear in a color, a size and their bias. */
function csv(name: string, rows: number): string {
  const random = randomStream(9, name);
  const lines = Array.from({ length: rows }, () => {
    const [color, size] = [random.below(20), random.normal()];
    const logit = 0.3 * (color % 5) + 0.8 * size - 1.5;
    return [Number(random.uniform() < 1 / (1 + Math.exp(-logit))), `c${color}`, size.toFixed(4)].join(',');
  });
  return ['click,color,size', ...lines, ''].join('\n');
}

const REFERENCE = `
import json, numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
def load(name):
    rows = [line.strip().split(',') for line in open(name + '.csv')][1:]
    colors = np.eye(20)[[int(row[1][1:]) for row in rows]]
    return np.hstack([colors, [[float(row[2])] for row in rows]]), [int(row[0]) for row in rows]
(x, y), (xt, yt) = load('linear-train'), load('linear-test')
p = LogisticRegression(C=1e6, max_iter=2000).fit(x, y).predict_proba(xt)[:, 1]
print(json.dumps({'auc': roc_auc_score(yt, p), 'logLoss': log_loss(yt, p)}))
`;

describe('the logistic baseline', () => {
  it('leaves the run bitwise identical, and is stored with it', async () => {
    const [config, set] = [at('mmoe.yaml'), ['training.epochs=2']];
    const trained = await trainSmall(config, { runDir: at('with'), set });
    expect((await trainSmall(config, { runDir: at('without'), set, baseline: false })).baseline).toBeUndefined();
    expect(traceOf(at('with'))).toEqual(traceOf(at('without')));
    const { metrics, ...about } = trained.baseline!;
    // Four passes over 900 rows.
    expect(about).toEqual({ name: 'logistic', rows: 3600, split: 'test' });
    expect(Object.keys(metrics)).toEqual(Object.keys(trained.metrics['test']!));
    expect(metrics['ctr']!['rows']).toBe(300);
    expect(readSummary(at('with'))!.baseline).toEqual(trained.baseline);
    expect(describeRun(at('with'), 0).baseline).toEqual(trained.baseline);
    const page = readFileSync(await report({ runs: [at('with')], out: at('report.html') }), 'utf8');
    expect(page.includes('the logistic baseline')).toBe(true);
  });

  it('is the same in a resumed run', async () => {
    const config = at('mmoe.yaml');
    const whole = await trainSmall(config, { runDir: at('whole'), set: ['training.epochs=2'] });
    const cut = await trainSmall(config, { runDir: at('cut'), set: ['training.epochs=2'], ...abortAtStep(17) });
    expect([cut.end, cut.baseline]).toEqual(['interrupted', undefined]);
    const resumed = await trainSmall(config, { resume: at('cut'), set: ['training.epochs=2'] });
    expect(resumed.baseline).toEqual(whole.baseline);
    expect(whole.baseline).toBeDefined();
  });

  it('is trained once for runs that share it, with the same rows, features and labels', async () => {
    const [config, baselines] = [at('mmoe.yaml'), { folder: at('baselines'), seed: 4 }];
    const run = async (name: string, ...set: readonly string[]) =>
      (await trainSmall(config, { runDir: at(name), baselines, set: ['training.epochs=1', ...set] })).baseline!;
    const first = await run('first', 'seed=4');
    expect(first).toEqual(
      (await trainSmall(config, { runDir: at('alone'), set: ['training.epochs=1', 'seed=4'] })).baseline,
    );
    const [file, ...others] = readdirSync(at('baselines'));
    expect(others).toEqual([]);
    // The file is what other runs take.
    const stored = { ...first, rows: 7 };
    writeFileSync(join(at('baselines'), file!), JSON.stringify(stored));
    expect(await run('second', 'seed=5', 'training.batchSize=32', 'model.experts.count=2')).toEqual(stored);
    const different = [
      await run('other-features', 'features.item.encoding.minCount=9'),
      await run('other-labels', 'tasks.cvr.given=null', 'training.monitor=ctr.auc'),
      await run('other-rows', `data.train=${at('valid.csv')}`),
    ];
    expect(different.map(({ rows }) => rows)).toEqual([3600, 3600, 1200]);
    expect(readdirSync(at('baselines'))).toHaveLength(4);
  });

  it('is trained again if the stored file is incomplete', async () => {
    const baselines = { folder: at('torn'), seed: 4 };
    const run = async (name: string) =>
      (await trainSmall(at('esmm.yaml'), { runDir: at(name), baselines, set: ['training.epochs=1'] })).baseline!;
    const first = await run('torn-1');
    const [file] = readdirSync(baselines.folder);
    writeFileSync(join(baselines.folder, file!), JSON.stringify(first).slice(0, 30));
    expect(await run('torn-2')).toEqual(first);
  });

  it('reaches the log loss of logistic regression', async (test) => {
    needsPython(test, 'sklearn');
    for (const [name, rows] of Object.entries({ train: 8000, test: 4000 }))
      writeFileSync(at(`linear-${name}.csv`), csv(name, rows));
    writeFileSync(
      at('linear.yaml'),
      `data: { train: linear-train.csv, test: linear-test.csv }
features:
  words: { type: categorical, fields: [color], width: 4, encoding: tokens }
  numbers: { type: numeric, fields: [size] }
tasks: { ctr: { label: click } }
model: { name: shared-bottom }
training: { epochs: 1 }
`,
    );
    const { baseline } = await trainSmall(at('linear.yaml'), { runDir: at('linear') });
    const expected = JSON.parse(python(folder, REFERENCE)) as Record<'auc' | 'logLoss', number>;
    expect(baseline!.metrics['ctr']!['auc']).toBeGreaterThan(expected.auc - 0.003);
    expect(baseline!.metrics['ctr']!['logLoss']).toBeLessThan(expected.logLoss + 0.003);
  });
});
