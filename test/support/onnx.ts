import { mapsOf } from './batches.js';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import type { Program, Plan } from '../../src/engines/engine.js';
import type { Output } from '../../src/evaluation/outputs.js';
import { exportModel } from '../../src/export.js';
import { formatSpec } from '../../src/export/formats.js';
import type { ExportedModel } from '../../src/export/model.js';
import type { BagForm } from '../../src/export/onnx/bags.js';
import { emitModel, type EmitOptions } from '../../src/export/onnx/emit-model.js';
import { encodeModel } from '../../src/export/onnx/messages.js';
import type { OnnxGraph } from '../../src/export/onnx/onnx-graph.js';

/** Exports a plan with a program's weights; each prediction is an output. */
export function exportedModel({ graph, layout }: Plan, program: Program): ExportedModel {
  const outputs = [...graph.predictions.keys()].map((name): Output => ({
    name,
    type: 'classification',
    label: 'y',
    where: undefined,
    factors: [name],
  }));
  return {
    about: { version: '0', model: 'test', step: 0, checkpoint: 'ab'.repeat(32) },
    graph,
    layout,
    fields: [],
    outputs,
    weights: program.state().weights,
  };
}

/** Opens an exported model in ONNX Runtime. */
export async function openOnnx(
  model: ExportedModel,
  options: EmitOptions = { bags: 'offsets' },
): Promise<InferenceSession> {
  const { message, initializers } = emitModel(model, options);
  return InferenceSession.create(Buffer.concat([...encodeModel(message, initializers).pieces()]));
}

/** Exports a run with its encoders. */
export async function exportWithEncoders(path: string, out: string): Promise<void> {
  await exportModel({
    path,
    spec: formatSpec('onnx', { withEncoders: true }),
    out,
    device: 'cpu',
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
  });
}

/** Opens a graph in ONNX Runtime. */
export function openGraph({ nodes, inputs, outputs, initializers }: OnnxGraph): Promise<InferenceSession> {
  const message = {
    producerVersion: '0',
    irVersion: 9,
    opsets: { '': 20, 'ai.onnx.ml': 3 },
    metadata: {},
    graph: { name: 'graph', nodes, inputs, outputs },
  };
  return InferenceSession.create(Buffer.concat([...encodeModel(message, initializers).pieces()]), {
    logSeverityLevel: 4,
  });
}

/** Predictions of a session, by name. */
export async function runOnnx(
  session: InferenceSession,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<ReadonlyMap<string, Float32Array>> {
  const outputs = await session.run(Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]!])));
  return new Map(session.outputNames.map((name) => [name, outputs[name]!.data as Float32Array]));
}

const int64 = (data: Uint32Array, dims: readonly number[] = [data.length]): Tensor =>
  new Tensor('int64', BigInt64Array.from(data, BigInt), dims);

/** Converts a batch to inputs of an exported model. */
export function feedsOf(batch: Batch, form: BagForm = 'offsets'): Record<string, Tensor> {
  const { rows, ids, numbers, bags } = mapsOf(batch);
  const feeds: Record<string, Tensor> = {};
  for (const [name, data] of ids) feeds[name] = int64(data);
  for (const [name, data] of numbers) feeds[name] = new Tensor('float32', data, [rows]);
  for (const [name, { ids: items, weights, offsets }] of bags) {
    if (form === 'offsets') {
      feeds[`${name}.ids`] = int64(items);
      feeds[`${name}.weights`] = new Tensor('float32', weights, [weights.length]);
      feeds[`${name}.values`] = feeds[`${name}.weights`]!;
      feeds[`${name}.offsets`] = int64(offsets);
      continue;
    }
    const longest = Math.max(...Array.from({ length: rows }, (_, b) => offsets[b + 1]! - offsets[b]!));
    const [paddedIds, paddedWeights] = [new Uint32Array(rows * longest), new Float32Array(rows * longest)];
    for (let b = 0; b < rows; b++) {
      paddedIds.set(items.subarray(offsets[b], offsets[b + 1]), b * longest);
      paddedWeights.set(weights.subarray(offsets[b], offsets[b + 1]), b * longest);
    }
    feeds[`${name}.ids`] = int64(paddedIds, [rows, longest]);
    feeds[`${name}.weights`] = new Tensor('float32', paddedWeights, [rows, longest]);
  }
  return feeds;
}

/** Expects predictions close to others, in the same order. */
export function expectNear(
  found: ReadonlyMap<string, Float32Array>,
  expected: ReadonlyMap<string, Float32Array>,
  tolerance = 1e-5,
): void {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, values] of expected) {
    expect(found.get(name)).toHaveLength(values.length);
    const worst = values.reduce(
      (most, value, b) => Math.max(most, Math.abs(value - found.get(name)![b]!) / Math.max(1, Math.abs(value))),
      0,
    );
    expect(worst, name).toBeLessThanOrEqual(tolerance);
  }
}
