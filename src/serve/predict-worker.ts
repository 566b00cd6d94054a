import { workerData } from 'node:worker_threads';
import { compileGivenModel } from '../trained-model/load-model.js';
import { trainedModelOf } from '../trained-model/trained-model.js';
import type { UncountedRows } from '../data/counters/given-counters.js';
import { answerWith, type Answer } from '../system/thread.js';
import { answerBundle, readBundle, type ReadBundle } from './answer-bundle.js';
import type {
  AnsweredBundle,
  Bundle,
  CounterQuestion,
  CounterValues,
  ModelFacts,
  PredictThreadSpec,
} from './messages.js';

// Prediction thread: loads a model and answers bundles of requests.

// Passed by `PredictThreads`.
const { folder, stored, logs, name, limits, raw, precision } = workerData as PredictThreadSpec;
const loading = compileGivenModel(trainedModelOf(folder, stored, raw), { logs, precision }).then((model) => {
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

/** Bundles that wait for the values of their counters, by number. */
const waiting = new Map<number, { readonly bundle: ReadBundle; readonly uncounted: UncountedRows }>();
let numBundles = 0;

answerWith(async (request) => {
  const { model, facts } = await loading;
  if (request === undefined) return { result: facts };
  const message = request as Bundle | CounterValues;
  if ('values' in message) {
    const { bundle, uncounted } = waiting.get(message.id)!;
    waiting.delete(message.id);
    return toReply(answerBundle(model, { ...bundle, rows: uncounted.fill(message.values) }));
  }
  const bundle = readBundle(facts, limits, message);
  const uncounted = model.findUncounted(bundle.rows);
  if (uncounted === undefined) return toReply(answerBundle(model, bundle));
  waiting.set(++numBundles, { bundle, uncounted });
  return { result: { id: numBundles, query: uncounted.query } satisfies CounterQuestion };
});

function toReply(result: AnsweredBundle): Answer {
  const bodies = result.answers.flatMap(({ body }) => (typeof body === 'string' ? [] : [body.buffer as ArrayBuffer]));
  return { result, transfer: bodies };
}
