import { workerData } from 'node:worker_threads';
import { loadGivenModel } from '../trained-model/load-model.js';
import { answerWith } from '../system/thread.js';
import { answerBundle } from './answer-bundle.js';
import type { Bundle, ModelFacts, PredictorSpec } from './messages.js';

// Prediction thread: loads a model and answers bundles of requests.

// Passed by `openPredictThreads`.
const { folder, name, limits, raw } = workerData as PredictorSpec;
const loading = loadGivenModel(folder, { raw }).then((model) => {
  const facts: ModelFacts = {
    name: name ?? model.name,
    version: String(model.step),
    checkpoint: model.checkpoint,
    inputs: model.inputs,
    outputs: model.outputs,
  };
  return { model, facts };
});
// Avoids an unhandled rejection; the first request receives the error.
loading.catch(() => undefined);

answerWith(async (request) => {
  const { model, facts } = await loading;
  if (request === undefined) return { result: facts };
  const result = answerBundle(model, facts, limits, request as Bundle);
  return {
    result,
    transfer: result.answers.flatMap(({ body }) => (typeof body === 'string' ? [] : [body.buffer as ArrayBuffer])),
  };
});
