/** @module-tag long */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from '../../src/export.js';
import { formatSpec } from '../../src/export/formats.js';
import { loadModel, train } from '../../src/index.js';
import { expectNear, exportWithEncoders, runOnnx } from '../support/onnx.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';
import { servedWorld } from '../support/served.js';

/** Fields of every type that ONNX has operators for, with shared columns and shared tables. */
const CONFIG = `
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  user: { type: categorical, fields: [101, 121], width: 4 }
  item: { type: categorical, fields: [205], width: 4, encoding: { name: tokens, minCount: 3 } }
  met: { type: cross, fields: [[121, 206]], width: 4, encoding: tokens }
  much: { type: bucketized, fields: [D109_14], width: 4, quantiles: 5 }
  smooth: { type: piecewise-linear, fields: [D109_14, D508], width: 4, bins: 6 }
  numbers:
    type: numeric
    fields: [D109_14, { name: D508, fillMissing: mean, indicator: true, scaling: [log1p, quantile-normal] }]
    scaling: [log1p, standard]
  waves: { type: periodic, fields: [D109_14], width: 4, frequencies: 3, scaling: quantile-uniform, sigma: 1 }
  history: { type: bag, fields: [109_14], width: 4, pooling: sqrtn, maxItems: 3, encoding: tokens }
  seen: { type: bag, fields: [110_14], width: 4, pooling: mean }
  heaviest: { type: bag, fields: [127_14, 150_14], width: 4, pooling: sum }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm, wide: true, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } }
training: { epochs: 1, batchSize: 64, optimizer: { embeddings: { learningRate: 0.05 } } }
`;

const folder = mkdtempSync(join(tmpdir(), 'mtl-encoders-'));
const run = join(folder, 'run');
let rows: Record<string, string>[];

beforeAll(async () => {
  ({ rows } = await servedWorld(folder, CONFIG));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const exportTo = (out: string, asked: object = {}) =>
  exportModel({
    path: run,
    spec: formatSpec('onnx', { withEncoders: true, ...asked }),
    out,
    device: 'cpu',
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
  });
const feedsOf = (
  names: readonly string[],
  given: readonly Readonly<Record<string, string>>[],
): Record<string, Tensor> =>
  Object.fromEntries(
    names.map((name) => [
      name,
      new Tensor(
        'string',
        given.map((row) => row[name]!),
        [given.length],
      ),
    ]),
  );

describe('mtl export --format onnx --with-encoders', () => {
  it('reads raw values and predicts like the loaded model', async () => {
    const out = join(scratchFolder(), 'model.onnx');
    await exportTo(out);
    const model = await loadModel(run);
    const session = await InferenceSession.create(out);
    expect([...session.inputNames].sort()).toEqual(model.inputs.map(({ name }) => name).sort());
    // Values outside the training set, and missing values.
    const changed = rows.map((row, i) => ({
      ...row,
      ...(i % 3 === 0 && { 205: '', D508: '', '109_14': '' }),
      ...(i % 5 === 0 && { 101: '999999', 205: 'never', '110_14': '' }),
      ...(i % 7 === 0 && { 121: '3', 206: '' in row ? '' : row['206']! }),
    }));
    for (const given of [
      rows,
      changed,
      changed.slice(0, 1),
      rows.map((row) => ({ ...row, '109_14': '', '110_14': '', '127_14': '', '150_14': '' })),
    ]) {
      const found = await runOnnx(session, feedsOf(session.inputNames, given));
      expectNear(found, new Map(Object.entries(model.predict(given))));
    }
    model.dispose();
  });

  it('with int8 predicts similarly', async () => {
    const out = join(scratchFolder(), 'model.onnx');
    await exportTo(out, { quantize: 'int8' });
    const session = await InferenceSession.create(out);
    const model = await loadModel(run);
    expectNear(
      await runOnnx(session, feedsOf(session.inputNames, rows)),
      new Map(Object.entries(model.predict(rows))),
      0.01,
    );
    model.dispose();
  });

  it('rejects the rows that the loaded model rejects, and names the field', async () => {
    const out = join(scratchFolder(), 'model.onnx');
    await exportTo(out);
    const session = await InferenceSession.create(out, { logSeverityLevel: 4 });
    for (const [column, cell, named] of [
      ['101', 'seven', '101'],
      ['D508', '1,5', 'D508'],
      ['110_14', '3:x', '110_14'],
      ['109_14', 'a||b', '109_14'],
      ['D109_14', '', 'D109_14'],
    ] as const) {
      await expect(
        runOnnx(session, feedsOf(session.inputNames, [rows[0]!, { ...rows[1]!, [column]: cell }])),
        column,
      ).rejects.toThrow(`expected of ${named}`);
    }
  });

  it('reads null values, trimmed values, detected ids and number lists like the loaded model', async () => {
    const cwd = scratchFolder();
    const [run2, out] = [join(cwd, 'run'), join(cwd, 'model.onnx')];
    const rowOf = (i: number): Record<string, string> => ({
      click: String(i % 2),
      user: String(1 + (i % 9)),
      city: ['Bonn', ' Bonn', 'New York', '', '?', 'Ulm  '][i % 6]!,
      plan: ['a', '?', 'b '][i % 3]!,
      price: ['1.5', '-1', '-1.0', 'NA', '7', ' 3 ', ''][i % 7]!,
      seen: ['x:2|none|y', 'none', '', 'y|z:0.5|x:9', 'z|none:3', '?'][i % 6]!,
      look: i % 5 === 0 ? '' : `${i / 7}|-${i % 3}|0.5`,
    });
    const all = Array.from({ length: 80 }, (_, i) => rowOf(i));
    writeFileSync(
      join(cwd, 'rows.csv'),
      [Object.keys(all[0]!), ...all.map((row) => Object.values(row))].map((cells) => `${cells.join(',')}\n`).join(''),
    );
    writeFileSync(
      join(cwd, 'config.yaml'),
      `
data: { train: rows.csv, valid: rows.csv, nullValues: ['?'] }
features:
  who: { type: categorical, fields: [user], encoding: auto, width: 4 }
  place:
    type: categorical
    fields: [{ name: city, fillMissing: token }, plan]
    encoding: tokens
    trim: true
    width: 4
  prices:
    type: numeric
    fields: [price]
    nullValues: [-1, NA]
    trim: true
    scaling: [log1p, standard]
    fillMissing: mean
    indicator: true
  items:
    type: bag
    fields: [seen]
    encoding: tokens
    nullValues: [none]
    width: 4
    maxItems: 2
    format: separated
    pooling: sum
  met: { type: cross, fields: [[city, plan]], encoding: tokens, trim: true, width: 4 }
  looks: { type: vector, fields: [look], scaling: [standard], fillMissing: mean, indicator: true }
tasks: { ctr: { label: click } }
model: { name: shared-bottom }
training: { epochs: 2, batchSize: 16, optimizer: { embeddings: { learningRate: 0.1 } } }
`,
    );
    await train(join(cwd, 'config.yaml'), { runDir: run2, device: 'cpu', threads: 1 });
    await exportWithEncoders(run2, out);
    const session = await InferenceSession.create(out, { logSeverityLevel: 4 });
    const model = await loadModel(run2);
    const feeds = (rows: readonly Record<string, string>[]) => {
      const looks = rows.flatMap(({ look }) => (look === '' ? [NaN, NaN, NaN] : look!.split('|').map(Number)));
      return {
        ...feedsOf(
          session.inputNames.filter((name) => name !== 'look'),
          rows,
        ),
        look: new Tensor('float32', Float32Array.from(looks), [rows.length, 3]),
      };
    };
    const unseen = all.map((row, i) => ({
      ...row,
      ...(i % 3 === 0 && { user: ['x', '', '007', '99'][i % 4]!, city: 'Rome', look: '1e3|0|-2' }),
    }));
    for (const rows of [all, unseen, all.slice(0, 1)])
      expectNear(await runOnnx(session, feeds(rows)), new Map(Object.entries(model.predict(rows))));
    model.dispose();
    // Values that these operators cannot distinguish are rejected.
    for (const [column, cell] of [
      ['city', ' New York '],
      ['price', '0x1'],
      ['look', '1|NaN|2'],
    ] as const)
      await expect(runOnnx(session, feeds([{ ...all[1]!, [column]: cell }])), column).rejects.toThrow('expected of');
  });

  it('reads numbers with a decimal comma like the loaded model', async () => {
    const cwd = scratchFolder();
    const [commas, dots] = [join(cwd, 'commas'), join(cwd, 'dots')];
    const rows = Array.from({ length: 80 }, (_, i) => ({
      click: String(i % 2),
      price: ['12,50', ',5', '', '7', '+1,5e1', ' 3,25 ', 'n.a.', '-1,0'][i % 8]!,
      kind: ['a,b', '1,5', '1.5'][i % 3]!,
    }));
    for (const [run2, decimal] of [
      [commas, ','],
      [dots, '.'],
    ] as const) {
      const cellOf = (text: string): string => (decimal === ',' ? text : text.replace(',', '.'));
      writeFileSync(
        join(cwd, 'rows.csv'),
        `click;price;kind\n${rows.map(({ click, price, kind }) => `${click};${cellOf(price)};${kind}\n`).join('')}`,
      );
      writeFileSync(
        join(cwd, 'config.yaml'),
        `
data: { train: rows.csv, valid: rows.csv, decimal: '${decimal}', trim: true, nullValues: [n.a., -1] }
features:
  price: { type: numeric, fields: [price], scaling: standard, fillMissing: mean, indicator: true }
  range: { type: bucketized, fields: [price], quantiles: 4, width: 4, fillMissing: token }
  smooth: { type: piecewise-linear, fields: [price], bins: 4, width: 4, fillMissing: token }
  kind: { type: categorical, fields: [kind], encoding: tokens, width: 4 }
tasks: { ctr: { label: click } }
model: { name: shared-bottom }
training: { epochs: 2, batchSize: 16, optimizer: { embeddings: { learningRate: 0.1 } } }
`,
      );
      await train(join(cwd, 'config.yaml'), { runDir: run2, device: 'cpu', threads: 1 });
    }
    const [model, plain] = [await loadModel(commas), await loadModel(dots)];
    const found = model.predict(rows);
    expect(found).toEqual(plain.predict(rows.map((row) => ({ ...row, price: row.price.replace(',', '.') }))));
    expect(model.predict([{ ...rows[0]!, price: 12.5 }])['ctr']).toEqual(found['ctr']!.subarray(0, 1));
    expect(() => model.predict([{ ...rows[0]!, price: '1.500' }])).toThrow(
      /rows\[0\]: column "price": expected a number with a decimal comma and no dot.*found "1\.500"/,
    );

    const out = join(cwd, 'model.onnx');
    await exportWithEncoders(commas, out);
    const session = await InferenceSession.create(out, { logSeverityLevel: 4 });
    expectNear(await runOnnx(session, feedsOf(session.inputNames, rows)), new Map(Object.entries(found)));
    for (const price of ['1.500', '1,5,0'])
      await expect(runOnnx(session, feedsOf(session.inputNames, [{ ...rows[0]!, price }])), price).rejects.toThrow(
        'expected of price',
      );
    model.dispose();
    plain.dispose();
  });

  it('rejects options of encoded items', () => {
    expect(() => formatSpec('onnx', { withEncoders: true, bags: 'padded' })).toThrow(
      '--bags: applies to encoded items',
    );
  });

  it('passes the ONNX checker with inferred shapes', async (context) => {
    needsPython(context, 'onnx');
    const cwd = scratchFolder();
    await exportTo(join(cwd, 'model.onnx'));
    expect(python(cwd, "import onnx\nonnx.checker.check_model('model.onnx', full_check=True)\nprint('checked')")).toBe(
      'checked\n',
    );
  });
});
