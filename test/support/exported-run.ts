import { InferenceSession } from 'onnxruntime-node';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { combinePredictions, listPredictedOutputs } from '../../src/evaluation/outputs.js';
import { exportModel } from '../../src/export.js';
import { formatSpec } from '../../src/export/formats.js';
import { compileTrained, readTrainedModel } from '../../src/trained-model/trained-model.js';
import { expectNear, feedsOf, runOnnx } from './onnx.js';
import { testBatch } from './test-batch.js';

const onWarning = (): void => undefined;

/** Exports a run as ONNX without encoders, and expects the predictions of the engine for rows of its test set. */
export async function expectExported(run: string, out: string): Promise<void> {
  const { signal } = new AbortController();
  await exportModel({ path: run, device: 'cpu', threads: 1, onWarning, signal, out, spec: formatSpec('onnx', {}) });
  const session = await InferenceSession.create(out);
  const trained = await readTrainedModel(run);
  const program = compileTrained(trained, createCpuEngine(), onWarning);
  const batch = await testBatch(trained);
  const byTask = await program.predict(batch);
  const outputs = listPredictedOutputs(trained.outputs);
  expectNear(
    await runOnnx(session, feedsOf(batch)),
    new Map(outputs.map((output) => [output.name, combinePredictions(output, byTask, batch.rows)])),
  );
  program.dispose();
}
