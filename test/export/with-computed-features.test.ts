/** @module-tag long */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, train, type Model } from '../../src/index.js';
import { expectNear, exportWithEncoders, runOnnx } from '../support/onnx.js';
import { needsPython, python } from '../support/python.js';

type Row = Readonly<Record<string, string>>;
const pick = <Value>(values: readonly Value[], i: number): Value => values[i % values.length]!;

/** Rows of a semicolon-separated log with decimal commas, whose columns have different periods. */
function rowOf(i: number): Row {
  return {
    click: String(Number((i * 7) % 5 < 2)),
    category: pick(['c1', 'c2', 'c3', '', '?'], i * 3),
    seen: pick(['c1|c2:2|c1', '', 'c3', 'c2|c2|?|c1:0.5', 'c9|c3:3', '?'], i),
    clicks: pick(['0', '3', '2,5', '', '12'], i),
    shows: pick(['10', '4', '0', '7'], i),
    shown_at: pick(['2026-11-02T12:00:00Z', '2026-11-03', '', '2026-11-30T23:59:59,5+01:00'], i),
    born: pick(['2026-11-01', '2026-10-31 06:30', ''], i),
    item: pick(['i1', 'i2', 'i3', 'i4', 'absent', ''], i * 5),
    liked: pick(['a|b', 'x', '', 'b|b|c'], i),
    city: pick(['Bonn', 'Ulm', ''], i),
  };
}

const ITEMS =
  'id;price;brand;tags;listed\ni1;2,5;Acme;a|b;2026-10-01\ni2;;Öl & Co;;\n' +
  'i3;7;acme;b|c:2|d;2026-10-03T05:00\ni4;1,25;?;?;?\n';

/** All computed features, in all encodings of numbers, next to fields that read the same columns. */
const CONFIG = `
data:
  train: train.csv
  valid: train.csv
  decimal: ','
  nullValues: ['?']
  lookups:
    items: { file: items.csv, key: id, delimiter: ';', decimal: ',' }
    brands: { file: brands.csv, key: name }
features:
  ids:
    type: categorical
    fields: [category, { name: brand, value: "lookup(items.brand, item)" }]
    encoding: tokens
    fillMissing: token
    width: 4
  histories: { type: bag, fields: [seen], table: category }
  matches:
    type: match
    fields: [{ candidate: category, history: seen }]
    outputs: [present, count, weight, share, recency]
    encoding: { width: 4, bins: 8 }
  first:
    type: match
    fields: [{ candidate: city, history: liked }]
    newest: first
    outputs: [recency, count]
    encoding: { name: numeric, scaling: log1p }
  rates:
    type: expression
    fields:
      - { name: ctr, expression: clicks / shows }
      - { name: age, expression: "log1p(days(shown_at, born))" }
      - { name: taste, expression: "jaccard(lookup(items.tags, item), liked)" }
      - { name: listed, expression: "hours(shown_at, lookup(items.listed, item))" }
    encoding: { width: 4, bins: 6 }
  buckets:
    type: expression
    fields:
      - name: cost
        expression: "lookup(items.price, item) * lookup(brands.factor, lookup(items.brand, item))"
    encoding: { name: bucketized, quantiles: 4, width: 4, fillMissing: token }
  numbers:
    type: expression
    fields: [{ name: local, expression: "if(city == 'Bonn', coalesce(clicks, 1), size(liked))" }]
    encoding: { name: numeric, scaling: [log1p, standard], fillMissing: mean, indicator: true }
  clicks: { type: numeric, fields: [clicks], fillMissing: zero }
tasks: { ctr: { label: click } }
model: { name: shared-bottom, wide: true }
training: { epochs: 3, batchSize: 32, optimizer: { embeddings: { learningRate: 0.1 } } }
`;

const folder = mkdtempSync(join(tmpdir(), 'mtl-computed-'));
const [run, out] = [join(folder, 'run'), join(folder, 'model.onnx')];
const rows = Array.from({ length: 240 }, (_, i) => rowOf(i));
let [model, session]: [Model?, InferenceSession?] = [];

beforeAll(async () => {
  const lines = [Object.keys(rows[0]!), ...rows.map((row) => Object.values(row))].map(
    (cells) => `${cells.join(';')}\n`,
  );
  writeFileSync(join(folder, 'train.csv'), lines.join(''));
  writeFileSync(join(folder, 'items.csv'), ITEMS);
  writeFileSync(join(folder, 'brands.csv'), 'name,factor\nAcme,2\nacme,0.5\n');
  writeFileSync(join(folder, 'config.yaml'), CONFIG);
  await train(join(folder, 'config.yaml'), { runDir: run, device: 'cpu', threads: 1 });
  for (const file of ['items.csv', 'brands.csv']) rmSync(join(folder, file));
  await exportWithEncoders(run, out);
  model = await loadModel(run);
  session = await InferenceSession.create(out, { logSeverityLevel: 4 });
});
afterAll(() => {
  model?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const feedsOf = (given: readonly Row[]): Record<string, Tensor> =>
  Object.fromEntries(
    session!.inputNames.map((name) => {
      const texts = given.map((row) => row[name]!);
      return [name, new Tensor('string', texts, [given.length])];
    }),
  );

/** Rows with values outside the training set, and with missing ones in every column. */
const unseen = rows.map((row, i) => {
  const columns = Object.keys(row);
  return {
    ...row,
    ...(i % 3 === 0 && { category: 'never', seen: 'never|c1', clicks: '1e3', item: 'i9' }),
    ...(i % 5 === 0 && { seen: Array.from({ length: 50 }, (_, j) => `c${(i * j) % 7}`).join('|'), liked: 'z|a|b|c|d' }),
    ...(i % 2 === 0 && { [columns[1 + (i % (columns.length - 1))]!]: '' }),
  };
});

describe('mtl export --with-encoders of a model with computed features', () => {
  it('has the columns that they read as inputs', () => {
    expect([...session!.inputNames].sort()).toEqual(model!.inputs.map(({ name }) => name).sort());
    expect(session!.inputNames).toEqual(expect.arrayContaining(['category', 'seen', 'item', 'clicks', 'shown_at']));
  });

  it('predicts like the loaded model, without the side files', async () => {
    for (const given of [rows, unseen, rows.slice(0, 1), unseen.slice(0, 7)])
      expectNear(await runOnnx(session!, feedsOf(given)), new Map(Object.entries(model!.predict(given))));
    expect(new Set(model!.predict(rows)['ctr']).size).toBeGreaterThan(30);
    const blank = [Object.fromEntries(Object.keys(rows[0]!).map((name) => [name, '']))];
    expectNear(await runOnnx(session!, feedsOf(blank)), new Map(Object.entries(model!.predict(blank))));
  });

  it('rejects the values that the loaded model rejects, and names the column', async () => {
    for (const [column, value] of [
      ['clicks', 'x'],
      ['clicks', '1.5'],
      ['shown_at', 'yesterday'],
      ['seen', 'c1:-1'],
      ['liked', 'a||b'],
    ] as const) {
      const given = [rows[1]!, { ...rows[2]!, [column]: value }];
      expect(() => model!.predict(given)).toThrow(column);
      await expect(runOnnx(session!, feedsOf(given)), `${column} ${value}`).rejects.toThrow(`expected of ${column}`);
    }
  });

  it('passes the ONNX checker with inferred shapes', (context) => {
    needsPython(context, 'onnx');
    const script = "import onnx\nonnx.checker.check_model('model.onnx', full_check=True)\nprint('checked')";
    expect(python(folder, script)).toBe('checked\n');
  });
});
