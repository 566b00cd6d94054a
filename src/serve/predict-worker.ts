import { workerData } from 'node:worker_threads';
import { compileGivenModel, type GivenModel } from '../trained-model/load-model.js';
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
  PredictorReady,
  PredictThreadSpec,
  PreparedDelta,
} from './messages.js';

// Prediction thread: loads a model and answers bundles of requests.

// Passed by `PredictThreads`.
const { folder, stored, savedMs, logs, name, limits, raw, precision } = workerData as PredictThreadSpec;
const loading = compileGivenModel(trainedModelOf(folder, stored, raw), { logs, precision, raw }).then((model) => ({
  model,
  facts: toFacts(model, savedMs),
}));
// Avoids an unhandled rejection; the first request receives the error.
loading.catch(() => undefined);

/** Bundles that wait for the values of their counters, by number. */
const waiting = new Map<number, { readonly bundle: ReadBundle; readonly uncounted: UncountedRows }>();
let numBundles = 0;

answerWith(async (request) => {
  const loaded = await loading;
  const { model } = loaded;
  if (request === undefined) return { result: { facts: loaded.facts, tables: model.tables } satisfies PredictorReady };
  const message = request as Bundle | CounterValues | PreparedDelta;
  // Rows are predicted at once, so that no bundle has rows of two versions.
  if ('moved' in message) {
    model.switchTo(message, message.moved, message.tokens);
    loaded.facts = toFacts(model, message.savedMs);
    return { result: loaded.facts };
  }
  const { facts } = loaded;
  if ('values' in message) {
    const { bundle, uncounted } = waiting.get(message.id)!;
    waiting.delete(message.id);
    return toReply(answerBundle(model, facts, { ...bundle, rows: uncounted.fill(message.values) }));
  }
  const bundle = readBundle(facts, limits, message);
  const uncounted = model.findUncounted(bundle.rows);
  if (uncounted === undefined) return toReply(answerBundle(model, facts, bundle));
  waiting.set(++numBundles, { bundle, uncounted });
  return { result: { id: numBundles, query: uncounted.query } satisfies CounterQuestion };
});

function toFacts(model: GivenModel, savedMs: number): ModelFacts {
  const { step, checkpoint, inputs, outputs } = model;
  return { name: name ?? model.name, version: String(step), checkpoint, savedMs, inputs, outputs };
}

function toReply(result: AnsweredBundle): Answer {
  const bodies = result.answers.flatMap(({ body }) => (typeof body === 'string' ? [] : [body.buffer as ArrayBuffer]));
  return { result, transfer: bodies };
}
