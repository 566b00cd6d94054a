import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from '../../src/export.js';
import { formatSpec } from '../../src/export/formats.js';
import { loadModel, train } from '../../src/index.js';
import { synth } from '../../src/synth.js';
import { expectNear, runOnnx } from '../support/onnx.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

/** Fields of every type that ONNX has operators for; columns that several fields read; tables that fields share. */
const CONFIG = `
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  user: { type: categorical, fields: [101, 121], width: 4 }
  item: { type: categorical, fields: [205], width: 4, encoding: { name: tokens, minCount: 3 } }
  met: { type: cross, fields: [[121, 206]], width: 4, encoding: tokens }
  much: { type: bucketized, fields: [D109_14], width: 4, quantiles: 5 }
  smooth: { type: piecewise-linear, fields: [D109_14, D508], width: 4, bins: 6 }
  numbers: { type: numeric, fields: [D109_14, { name: D508, missing: mean, indicator: true }], scaling: [log1p, standard] }
  history: { type: bag, fields: [109_14], width: 4, pooling: sqrtn, maxItems: 3, encoding: tokens }
  seen: { type: bag, fields: [110_14], width: 4, pooling: mean }
  heaviest: { type: bag, fields: [127_14, 150_14], width: 4, pooling: sum }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } }
training: { epochs: 1, batchSize: 64, optimizer: { embeddings: { learningRate: 0.05 } } }
`;

const folder = mkdtempSync(join(tmpdir(), 'mtl-encoders-'));
const run = join(folder, 'run');
let rows: Record<string, string>[];

beforeAll(async () => {
  await synth({ folder, seed: 3, rows: { train: 600, valid: 200, test: 200 }, users: 50, items: 30, rates: { click: 0.3, purchase: 0.3 }, bagMean: 3 });
  writeFileSync(join(folder, 'config.yaml'), CONFIG);
  await train(join(folder, 'config.yaml'), { runDir: run, device: 'cpu', threads: 1 });
  const [header, ...lines] = readFileSync(join(folder, 'test.csv'), 'utf8').trimEnd().split('\n').map((line) => line.split(','));
  rows = lines.map((cells) => Object.fromEntries(header!.map((name, i) => [name, cells[i]!])));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const exportTo = (out: string, asked: object = {}) =>
  exportModel({ path: run, spec: formatSpec('onnx', { withEncoders: true, ...asked }), out, device: 'cpu', threads: 1, onNotice: () => undefined, signal: new AbortController().signal });
const feedsOf = (names: readonly string[], given: readonly Readonly<Record<string, string>>[]): Record<string, Tensor> => Object.fromEntries(names.map((name) => [name, new Tensor('string', given.map((row) => row[name]!), [given.length])]));

describe('mtl export --format onnx --with-encoders', () => {
  it('takes the cells of a file as they are, and predicts what the loaded model does', async () => {
    const out = join(scratchFolder(), 'model.onnx');
    await exportTo(out);
    const model = await loadModel(run);
    const session = await InferenceSession.create(out);
    expect([...session.inputNames].sort()).toEqual(model.inputs.map(({ name }) => name).sort());
    // Cells that train never held, and empty ones, too.
    const changed = rows.map((row, i) => ({ ...row, ...(i % 3 === 0 && { 205: '', D508: '', '109_14': '' }), ...(i % 5 === 0 && { 101: '999999', 205: 'never', '110_14': '' }), ...(i % 7 === 0 && { 121: '3', 206: '' in row ? '' : row['206']! }) }));
    for (const given of [rows, changed, changed.slice(0, 1), rows.map((row) => ({ ...row, '109_14': '', '110_14': '', '127_14': '', '150_14': '' }))]) {
      const found = await runOnnx(session, feedsOf(session.inputNames, given));
      expectNear(found, new Map(Object.entries(model.predict(given))));
    }
    model.dispose();
  });

  it('with int8 predicts nearly the same', async () => {
    const out = join(scratchFolder(), 'model.onnx');
    await exportTo(out, { quantize: 'int8' });
    const session = await InferenceSession.create(out);
    const model = await loadModel(run);
    expectNear(await runOnnx(session, feedsOf(session.inputNames, rows)), new Map(Object.entries(model.predict(rows))), 0.01);
    model.dispose();
  });

  it('refuses rows that the loaded model refuses, and names the field', async () => {
    const out = join(scratchFolder(), 'model.onnx');
    await exportTo(out);
    const session = await InferenceSession.create(out, { logSeverityLevel: 4 });
    for (const [column, cell, named] of [['101', 'seven', '101'], ['D508', '1,5', 'D508'], ['110_14', '3:x', '110_14'], ['109_14', 'a||b', '109_14'], ['D109_14', '', 'D109_14']] as const) {
      await expect(runOnnx(session, feedsOf(session.inputNames, [rows[0]!, { ...rows[1]!, [column]: cell }])), column).rejects.toThrow(`expected of ${named}`);
    }
  });

  it('says which options have no say then', () => {
    expect(() => formatSpec('onnx', { withEncoders: true, bags: 'padded' })).toThrow('--bags: says how encoded items are handed over');
  });

  it("passes ONNX's own checker, with shapes inferred", async (context) => {
    needsPython(context, 'onnx');
    const cwd = scratchFolder();
    await exportTo(join(cwd, 'model.onnx'));
    expect(python(cwd, "import onnx\nonnx.checker.check_model('model.onnx', full_check=True)\nprint('checked')")).toBe('checked\n');
  });
});
