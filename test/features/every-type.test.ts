/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../src/trained-model/load-model.js';
import { randomStream } from '../../src/core/random.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const CONFIG = `
data: { train: train.csv, valid: valid.csv, test: test.csv, nullValues: ['?'], trim: true }
features:
  item: { type: categorical, fields: [item], width: 8, encoding: { name: tokens } }
  seen: { type: bag, fields: [seen], width: 8, encoding: { name: tokens }, table: item, pooling: sqrtn, maxItems: 20 }
  tags:
    type: bag
    fields: [tags]
    width: 4
    pooling: sum
    separators: { items: ' ', weight: '=' }
    encoding: { name: hash, buckets: 50 }
  shop: { type: categorical, fields: [shop], width: 4, encoding: { name: hash, buckets: 100, seed: 7 } }
  price: { type: bucketized, fields: [price], width: 4, quantiles: 8 }
  smooth: { type: piecewise-linear, fields: [price], width: 4, bins: 8 }
  hour: { type: bucketized, fields: [hour], width: 4, boundaries: [6, 12, 18] }
  both: { type: cross, fields: [[shop, day]], width: 4, buckets: 1000 }
  number: { type: numeric, fields: [price], scaling: standard }
  waves: { type: periodic, fields: [price], width: 4, scaling: quantile-normal, frequencies: 4 }
  when: { type: date, fields: [at], parts: [hour, month], timeZone: Europe/Berlin, width: 2, fillMissing: token }
  look: { type: vector, fields: [emb], scaling: standard, fillMissing: mean, indicator: true }
  found: { type: categorical, fields: [{ name: user, encoding: auto }], width: 2 }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm, ctrTower: { hidden: [16] }, cvrTower: { hidden: [16] } }
training:
  epochs: 5
  batchSize: 128
  optimizer: { dense: { learningRate: 0.01 }, embeddings: { learningRate: 0.02 } }
  monitor: ctr.auc
`;

/** Rows whose clicks follow what only one feature tells each: the bag, the cross, and the middle of the prices. */
function csv(rows: number, seed: number): string {
  const random = randomStream(seed, 'rows');
  const lines = Array.from({ length: rows }, () => {
    const seen = Array.from({ length: random.below(5) }, () => random.below(40));
    const [shop, day, price] = [random.below(6), random.below(7), random.uniform() * 100];
    const emb = random.uniform() * 2 - 1;
    const logit =
      emb * 2 +
      seen.reduce((sum, item) => sum + (item % 2 === 0 ? 1 : -1), 0) * 1.5 +
      ((shop * day) % 2 === 0 ? -1 : 1) * 1.5 +
      (Math.abs(price - 50) < 25 ? 1.5 : -1.5);
    const click = Number(random.uniform() < 1 / (1 + Math.exp(-logit)));
    return [
      click,
      click * random.below(2),
      `i${random.below(40)}`,
      seen.map((item) => `i${item}:2`).join('|'),
      `t${random.below(9)}=0.5 t1`,
      `s${shop}`,
      `d${day}`,
      price.toFixed(3),
      random.below(20) === 0 ? '?' : random.below(24),
      random.below(9) === 0 ? '' : `2026-11-${10 + random.below(20)}T${10 + random.below(14)}:30:00Z`,
      random.below(30) === 0 ? ' ?' : `${emb.toFixed(4)}|1|-2e-1`,
      1 + random.below(9),
    ].join(',');
  });
  return ['click,purchase,item,seen,tags,shop,day,price,hour,at,emb,user', ...lines, ''].join('\n');
}

describe('a model with every feature type', () => {
  it('learns from each of them, saves what was fitted, and eval reproduces its metrics', async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'every.yaml'), CONFIG);
    ['train', 'valid', 'test'].forEach((split, seed) =>
      writeFileSync(join(cwd, `${split}.csv`), csv(split === 'train' ? 4000 : 1000, seed)),
    );
    const metricsOf = (stdout: string) =>
      (JSON.parse(stdout) as { metrics: Record<string, Record<string, { auc: number }>> }).metrics;

    const trained = await mtl(cwd, ['train', 'every.yaml', '--json', '--run-dir', 'run']);
    expect([trained.code, trained.stderr]).toEqual([0, expect.not.stringContaining('error') as string]);
    expect(metricsOf(trained.stdout)['test']!['ctr']!.auc).toBeGreaterThan(0.85);

    const features = JSON.parse(
      readFileSync(join(cwd, 'run', 'checkpoints', 'best', 'features.json'), 'utf8'),
    ) as Record<string, { vocabulary: string[]; boundaries: number[] }>;
    expect(Object.keys(features).sort()).toEqual([
      'emb',
      'item',
      'price',
      'price_bucketized',
      'price_periodic',
      'price_piecewise',
      'user',
    ]);
    expect([features['user'], (features['emb'] as unknown as { length: number }).length]).toEqual([{ size: 10 }, 3]);
    expect(features['item']!.vocabulary).toHaveLength(40);
    expect(features['price_bucketized']!.boundaries.map((boundary) => Math.round(boundary / 12.5))).toEqual([
      1, 2, 3, 4, 5, 6, 7,
    ]);

    const evaluated = await mtl(cwd, ['eval', 'run', '--json']);
    expect(evaluated.code).toBe(0);
    expect(metricsOf(evaluated.stdout)).toEqual(metricsOf(trained.stdout));
    expect(trained.stderr).toContain("'emb' is 3 numbers per row, 'user' is ids up to 9");

    // Whoever predicts reads the cells as training did: a file, and a program that has them as text or as values.
    const predicted = await mtl(cwd, ['predict', 'run', '--data', 'test.csv', '--out', 'predicted.csv']);
    expect([predicted.code, predicted.stderr]).toEqual([0, expect.any(String) as string]);
    const [head, ...lines] = readFileSync(join(cwd, 'predicted.csv'), 'utf8').trimEnd().split('\n');
    const ctr = lines.map((line) => Number(line.split(',')[head!.split(',').indexOf('ctr')]));
    const [columns, ...rows] = readFileSync(join(cwd, 'test.csv'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(','));
    const texts = rows.map((row) => Object.fromEntries(columns!.map((column, c) => [column, row[c]!])));
    const values = texts.map((row) => ({
      ...row,
      at: row['at'] === '' ? null : new Date(row['at']!),
      emb: row['emb'] === ' ?' ? [] : row['emb']!.split('|').map(Number),
      user: Number(row['user']),
      price: Number(row['price']),
    }));
    const model = await loadModel(join(cwd, 'run'));
    for (const given of [texts, values]) {
      const found = model.predict(given)['ctr']!;
      expect(ctr.every((probability, r) => Math.abs(probability - found[r]!) < 1e-6)).toBe(true);
    }
    expect(model.inputs.find(({ name }) => name === 'emb')).toEqual({ name: 'emb', holds: 'vector' });
    model.dispose();
  });

  it('reports an invalid item with its file, line and column', async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'every.yaml'), CONFIG);
    writeFileSync(join(cwd, 'train.csv'), csv(10, 1).replace(/\n$/, '\n1,0,i1,i2:heavy,,s1,d1,1,1,,,1\n'));
    for (const split of ['valid', 'test']) writeFileSync(join(cwd, `${split}.csv`), csv(10, 2));
    const { code, stderr } = await mtl(cwd, ['train', 'every.yaml']);
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /train\.csv:12: column "seen": expected items of the form id or id:weight, with a decimal weight .*, found "i2:heavy"/,
    );
  });
});
