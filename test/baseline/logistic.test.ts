import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { report } from '../../src/report.js';
import { describeRun } from '../../src/runs/run-list.js';
import { readSummary } from '../../src/runs/summary.js';
import { needsPython, python } from '../support/python.js';
import { smallWorld, traceOf, trainSmall } from '../support/small-run.js';

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
