/** @module-tag long */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { parse as parseYaml } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csvText } from '../../src/text/csv-text.js';
import { evaluate } from '../../src/evaluate.js';
import { importance, type ImportanceOptions, type ImportanceResult } from '../../src/importance.js';
import { randomStream, shuffledOrder } from '../../src/core/random.js';
import { synth } from '../../src/synth.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
let run: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-importance-'));
  run = join(world, 'run');
  await smallWorld(world);
  await trainSmall(join(world, 'esmm.yaml'), { runDir: run, set: ['training.epochs=2'] });
});
afterAll(() => rmSync(world, { recursive: true, force: true }));

const importanceOf = (path: string, options: Partial<ImportanceOptions> = {}): Promise<ImportanceResult> =>
  importance({
    path,
    rows: 1e6,
    repeats: 2,
    seed: 7,
    byGroup: false,
    device: 'cpu',
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
    ...options,
  });

const meansOf = ({ importances }: ImportanceResult, measure: string): Record<string, number | undefined> =>
  Object.fromEntries(importances.map(({ name, drops: falls }) => [name, falls[measure]?.mean]));

type Rows = Record<string, string>[];
const readRows = (path: string): Rows => parse(readFileSync(path), { columns: true });
const writeRows = (path: string, rows: Rows): void =>
  writeFileSync(path, csvText([Object.keys(rows[0]!), ...rows.map((row) => Object.values(row))]));

/** Returns the rows with some columns permuted as in the first repeat of a seed. */
function permuted(rows: Rows, columns: readonly string[], seed: number): Rows {
  const order = new Uint32Array(rows.length);
  shuffledOrder(order, rows.length, randomStream(seed, 'importance', 0));
  return rows.map((row, r) => ({
    ...row,
    ...Object.fromEntries(columns.map((name) => [name, rows[order[r]!]![name]!])),
  }));
}

async function metricsOf(path: string, data: string): Promise<Record<string, Record<string, number>>> {
  const { metrics } = await evaluate({
    path,
    data,
    device: 'cpu',
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
  });
  return metrics['test'] as never;
}

describe('permutation importance', () => {
  it('equals, bitwise, the drop of mtl eval on a file with that column permuted', async () => {
    const test = join(world, 'test.csv');
    const permutedTest = join(scratchFolder(), 'test.csv');
    const found = await importanceOf(run, { data: test, repeats: 1 });
    const plain = await metricsOf(run, test);
    expect(found).toMatchObject({ split: 'test', rows: 300, totalRows: 300, rank: 'ctcvr.auc' });
    expect(found.unpermuted).toEqual(
      Object.fromEntries(Object.entries(plain).map(([output, { auc }]) => [`${output}.auc`, auc])),
    );
    for (const { name, fields, drops: falls } of found.importances) {
      expect(fields).toEqual([name]);
      writeRows(permutedTest, permuted(readRows(test), [name], 7));
      const without = await metricsOf(run, permutedTest);
      for (const output of Object.keys(plain))
        expect(falls[`${output}.auc`]).toEqual({
          mean: plain[output]!['auc']! - without[output]!['auc']!,
          low: null,
          high: null,
        });
    }
  });

  it('permutes the fields of a group together, and bags as a whole with their weights', async () => {
    const folder = scratchFolder();
    await synth({
      folder,
      seed: 5,
      rows: { train: 600, valid: 200, test: 200 },
      users: 40,
      items: 30,
      rates: { click: 0.4, purchase: 0.4 },
      bagMean: 3,
    });
    const config = join(folder, 'bags.yaml');
    writeFileSync(
      config,
      readFileSync(join(world, 'esmm.yaml'), 'utf8').replace(
        'tasks:',
        '  history: { type: bag, fields: [109_14, 110_14], width: 4 }\ntasks:',
      ),
    );
    const path = join(folder, 'run');
    await trainSmall(config, { runDir: path, set: ['training.epochs=2'] });
    const found = await importanceOf(path, { repeats: 1, byGroup: true });
    expect(found.split).toBe('valid');
    const valid = join(folder, 'valid.csv');
    const groups = { user: ['101', '121', '122'], item: ['205', '206'], history: ['109_14', '110_14'] };
    expect(Object.fromEntries(found.importances.map(({ name, fields }) => [name, fields]))).toEqual(groups);
    for (const [name, columns] of Object.entries(groups)) {
      writeRows(join(folder, 'permuted.csv'), permuted(readRows(valid), columns, 7));
      const without = await metricsOf(path, join(folder, 'permuted.csv'));
      expect(meansOf(found, 'ctr.auc')[name]).toBe(found.unpermuted['ctr.auc']! - without['ctr']!['auc']!);
    }
    expect(readRows(valid).some((row) => /:\d.*\|.*:\d/.test(row['110_14']!))).toBe(true);
    // Otherwise the test would use bags that the model does not read.
    expect(meansOf(await importanceOf(path, { repeats: 1 }), 'ctr.auc')['110_14']).not.toBe(0);
  });

  it('does not depend on the number of threads, but on the seed', async () => {
    const one = await importanceOf(run);
    expect(await importanceOf(run, { threads: 3 })).toEqual(one);
    expect(await importanceOf(run)).toEqual(one);
    const other = await importanceOf(run, { seed: 8 });
    expect(other.unpermuted).toEqual(one.unpermuted);
    expect(meansOf(other, 'ctr.auc')).not.toEqual(meansOf(one, 'ctr.auc'));
  });

  it('ranks by the requested output, that of the monitor, or the last one', async () => {
    for (const [rank, set, deciding] of [
      ['ctr', 'ctcvr.auc', 'ctr.auc'],
      [undefined, 'cvr.auc', 'cvr.auc'],
      [undefined, 'loss', 'ctcvr.auc'],
    ] as const) {
      const path = join(scratchFolder(), 'run');
      await trainSmall(join(world, 'esmm.yaml'), {
        runDir: path,
        set: ['training.epochs=1', `training.monitor=${set}`],
      });
      const found = await importanceOf(path, { rank });
      expect(found.rank).toBe(deciding);
      const means = found.importances.map(({ drops: falls }) => falls[deciding]!.mean);
      expect(means).toHaveLength(5);
      expect(means).toEqual([...means].sort((a, b) => b - a));
    }
    await expect(importanceOf(run, { rank: 'cxr' })).rejects.toThrow(
      '--rank-by: expected one of ctr, cvr, cvr_all, ctcvr, found "cxr"; did you mean',
    );
  });

  it('samples rows from the whole data set', async () => {
    const some = await importanceOf(run, { rows: 100 });
    expect(some).toMatchObject({ rows: 100, totalRows: 300 });
    expect(some.unpermuted).not.toEqual((await importanceOf(run, { rows: 100, seed: 8 })).unpermuted);
    expect((await importanceOf(run, { rows: 300 })).unpermuted).toEqual((await importanceOf(run)).unpermuted);
  });

  it('has an interval that covers the result of many repeats 95% of the time', async () => {
    const { importances } = await importanceOf(run, { repeats: 100, seed: 1000 });
    const expected = new Map(importances.map(({ name, drops: falls }) => [name, falls['ctr.auc']!.mean]));
    let [held, count] = [0, 0];
    for (let seed = 0; seed < 24; seed++) {
      for (const { name, drops: falls } of (await importanceOf(run, { repeats: 4, seed })).importances) {
        const { low, high } = falls['ctr.auc']!;
        count++;
        if (low! <= expected.get(name)! && expected.get(name)! <= high!) held++;
      }
    }
    expect(count).toBe(120);
    expect(held / count).toBeGreaterThan(0.88);
    expect(held / count).toBeLessThan(0.99);
  });

  it('is null with a warning if an output has a single class', async () => {
    const folder = scratchFolder();
    writeRows(
      join(folder, 'cold.csv'),
      readRows(join(world, 'test.csv')).filter(({ purchase }) => purchase === '0'),
    );
    const notices: string[] = [];
    const { unpermuted: plain, importances } = await importanceOf(run, {
      data: join(folder, 'cold.csv'),
      onWarning: (text) => notices.push(text),
    });
    expect([plain['ctcvr.auc'], typeof plain['ctr.auc']]).toEqual([null, 'number']);
    expect(importances.map(({ name, drops: falls }) => [name, falls['ctcvr.auc']])).toEqual(
      ['101', '121', '122', '205', '206'].map((name) => [name, null]),
    );
    expect(notices).toEqual([
      'ctcvr.auc is undefined on these rows and cannot rank fields; raise --rows, ' +
        'or choose another output with --rank-by',
    ]);
  });

  it('uses the validation part of a single source, which the smaller config splits identically', async () => {
    const folder = scratchFolder();
    const path = join(folder, 'run');
    const set = [
      'training.epochs=1',
      'data.train=null',
      'data.valid=null',
      'data.test=null',
      `data.source=${join(world, 'train.csv')}`,
      'data.split={ by: key, column: 101, shares: { valid: 0.3 } }',
    ];
    await trainSmall(join(world, 'esmm.yaml'), { runDir: path, set });
    const { split, totalRows: ofRows, proposal } = await importanceOf(path, { dropWorst: 1 });
    expect(split).toBe('valid');
    expect(ofRows).toBeGreaterThan(100);
    expect(ofRows).toBeLessThan(450);
    expect(parseYaml(proposal!.config)).toMatchObject({
      data: { source: join(world, 'train.csv'), split: { by: 'key', column: 101, shares: { valid: 0.3 } } },
    });
  });

  it('requires data to measure, and can be aborted', async () => {
    const path = join(scratchFolder(), 'run');
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: path,
      set: [
        'training.epochs=1',
        'data.valid=null',
        'data.test=null',
        'training.earlyStopping=null',
        'training.monitor=loss',
        'checkpoints.bestBy=null',
      ],
    });
    await expect(importanceOf(path)).rejects.toThrow(
      'the config has neither data.valid nor data.test; name data with --data',
    );
    const controller = new AbortController();
    const onProgress = ({ what, share }: { what: string; share: number }): void => {
      if (what.startsWith('permuting') && share > 0.3) controller.abort(new Error('enough'));
    };
    await expect(importanceOf(run, { onProgress, signal: controller.signal })).rejects.toThrow('enough');
  });
});

describe('a planted signal', () => {
  /** Rows whose label depends on one column only, and whose amount depends on another. */
  const planted = (count: number, seed: number): Rows => {
    const random = randomStream(seed, 'planted');
    return Array.from({ length: count }, () => {
      const only = random.below(10);
      const size = random.normal();
      return {
        click: String(Number(random.uniform() < (only < 5 ? 0.1 : 0.8))),
        seconds: (2 * size + 0.1 * random.normal()).toFixed(4),
        only: String(only),
        useless: String(random.below(10)),
        size: size.toFixed(4),
        noise: random.normal().toFixed(4),
      };
    });
  };

  it('is attributed to the informative field, and nothing to a useless one', async () => {
    const folder = scratchFolder();
    for (const [s, split] of ['train', 'valid'].entries()) writeRows(join(folder, `${split}.csv`), planted(4000, s));
    writeFileSync(
      join(folder, 'planted.yaml'),
      `data: { train: train.csv, valid: valid.csv }
features:
  ids: { type: categorical, fields: [only, useless], width: 4 }
  numbers: { type: numeric, fields: [size, noise], scaling: standard }
tasks:
  ctr: { label: click }
  dwell: { label: seconds, type: regression }
model: { name: shared-bottom, hidden: [16], tower: { hidden: [8] } }
training:
  epochs: 5
  batchSize: 100
  optimizer: { dense: { learningRate: 0.01 }, embeddings: { learningRate: 0.01 } }
`,
    );
    const path = join(folder, 'run');
    await trainSmall(join(folder, 'planted.yaml'), { runDir: path });
    const found = await importanceOf(path, { repeats: 5, rank: 'ctr' });
    expect(Object.keys(found.unpermuted)).toEqual(['ctr.auc', 'dwell.r2', 'dwell.rmse']);
    const clicks = meansOf(found, 'ctr.auc');
    expect(found.importances[0]!.name).toBe('only');
    expect(clicks['only']).toBeCloseTo(found.unpermuted['ctr.auc']! - 0.5, 1);
    for (const name of ['useless', 'size', 'noise']) expect(Math.abs(clicks[name]!)).toBeLessThan(0.02);
    // Without the explaining column, the prediction is random: R² of one permutation is 1 minus twice the explained
    // share.
    const explained = meansOf(found, 'dwell.r2');
    const missed = meansOf(found, 'dwell.rmse');
    expect(explained['size']).toBeGreaterThan(1.5);
    expect(missed['size']).toBeGreaterThan(1);
    for (const name of ['useless', 'only', 'noise'])
      expect([Math.abs(explained[name]!) < 0.05, Math.abs(missed[name]!) < 0.1]).toEqual([true, true]);
  });
});
