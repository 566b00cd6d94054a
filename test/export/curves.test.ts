import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyCurve, type Curve } from '../../src/evaluation/calibration/curve.js';
import { listPredictedOutputs, combinePredictions } from '../../src/evaluation/outputs.js';
import { exportModel } from '../../src/export.js';
import { formatSpec } from '../../src/export/formats.js';
import { emitCurve } from '../../src/export/onnx/curves.js';
import { encodeModel } from '../../src/export/onnx/messages.js';
import { OnnxGraph } from '../../src/export/onnx/onnx-graph.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { randomStream } from '../../src/core/random.js';
import { compileTrained, readTrainedModel } from '../../src/trained-model/trained-model.js';
import { expectNear, feedsOf, runOnnx } from '../support/onnx.js';
import { smallWorld, trainSmall } from '../support/small-run.js';
import { testBatch } from '../support/test-batch.js';

/** Runs a curve on probabilities in ONNX Runtime. */
async function runCurve(curve: Curve, probabilities: Float32Array): Promise<Float32Array> {
  const onnx = new OnnxGraph(['p', 'told']);
  const input = onnx.input({ name: 'p', type: 'float', shape: ['rows', 1] });
  onnx.output(emitCurve(onnx, curve, input, 'p.calibration'), { name: 'told', type: 'float', shape: ['rows', 1] });
  const message = {
    producerVersion: '0',
    irVersion: 8,
    opsets: { '': 17 },
    metadata: {},
    graph: { name: 'curve', nodes: onnx.nodes, inputs: onnx.inputs, outputs: onnx.outputs },
  };
  const session = await InferenceSession.create(Buffer.concat([...encodeModel(message, onnx.initializers).pieces()]));
  const { told } = await session.run({ p: new Tensor('float32', probabilities, [probabilities.length, 1]) });
  return told!.data as Float32Array;
}

const random = randomStream(3, 'points');
const rising = (count: number): Extract<Curve, { kind: 'broken-line' }> => {
  const sorted = (): number[] =>
    Array.from({ length: count }, () => Math.fround(random.uniform())).sort((a, b) => a - b);
  return { kind: 'broken-line', from: [...new Set(sorted())], to: sorted() };
};

describe('calibration curve in ONNX', () => {
  it.each<[string, Curve]>([
    ['logistic', { kind: 'logistic', slope: 0.8, intercept: -1.2 }],
    ['a decreasing logistic', { kind: 'logistic', slope: -1.5, intercept: 0.3 }],
    ['a single point', { kind: 'broken-line', from: [Math.fround(0.3)], to: [0.25] }],
    ['three points', { kind: 'broken-line', from: [0.125, 0.25, 0.5], to: [0, 0.2, 0.9] }],
    ['four points', { kind: 'broken-line', from: [0, 0.25, 0.5, 1], to: [0, 0.2, 0.9, 1] }],
    ['a thousand points', rising(1000)],
    ['adjacent points', { kind: 'broken-line', from: [0.5, 0.5 + 2 ** -24, 0.75], to: [0.1, 0.6, 0.7] }],
  ])('equals the curve in mtl: %s', async (_, curve) => {
    const points = curve.kind === 'broken-line' ? curve.from : [];
    const at = Float32Array.from([
      0,
      1e-38,
      1e-20,
      1e-6,
      ...points,
      ...Array.from({ length: 1000 }, () => random.uniform()),
      1 - 2 ** -24,
      1,
    ]);
    const expected = at.slice();
    applyCurve(curve, expected, expected.length);
    const found = await runCurve(curve, at);
    expect(
      Array.from(found)
        .map((value, i) => [at[i], value, expected[i]] as const)
        .filter(([, a, b]) => !(Math.abs(a - b!) <= 2e-6)),
    ).toEqual([]);
  });
});

describe('calibrated model in ONNX', () => {
  let [folder, run] = ['', ''];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mtl-curves-'));
    run = join(folder, 'run');
    await smallWorld(folder);
    await trainSmall(join(folder, 'esmm.yaml'), {
      runDir: run,
      set: ['training.epochs=1', 'calibration={method: platt, outputs: {ctcvr: isotonic, cvr: temperature}}'],
    });
  });

  it.each([false, true])('predicts like the engine, calibrated unless raw (%s)', async (raw) => {
    const out = join(folder, `${raw}.onnx`);
    await exportModel({
      path: run,
      raw,
      spec: formatSpec('onnx', {}),
      out,
      device: 'cpu',
      threads: 1,
      onWarning: () => undefined,
      signal: new AbortController().signal,
    });
    const model = await readTrainedModel(run, { raw });
    const program = compileTrained(model, createCpuEngine(), () => undefined);
    const batch = await testBatch(model);
    const byTask = await program.predict(batch);
    program.dispose();
    const expected = new Map(
      listPredictedOutputs(model.outputs).map((output) => [
        output.name,
        combinePredictions(output, byTask, batch.rows),
      ]),
    );
    // With 300 rows a curve is steep and amplifies rounding.
    expectNear(await runOnnx(await InferenceSession.create(out), feedsOf(batch)), expected, raw ? 1e-5 : 5e-4);
    expect(readFileSync(out, 'latin1').includes('"calibrator":{"method":"platt"')).toBe(!raw);
  });
});
