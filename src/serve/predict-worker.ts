import type { RowStateName } from '../data/states/row-states.js';
import { workerData } from 'node:worker_threads';
import { compileGivenModel, type GivenModel } from '../trained-model/load-model.js';
import { buildTrainedModel } from '../trained-model/trained-model.js';
import type { LackingRows } from '../data/objects/given-rows.js';
import { logSource } from '../data/objects/event-source.js';
import { answerWith, type Answer } from '../system/thread.js';
import { answerBundle, readBundle, type ReadBundle } from './answer-bundle.js';
import {
  factsAfter,
  type AnsweredBundle,
  type Bundle,
  type ModelFacts,
  type PredictorReady,
  type PredictThreadSpec,
  type PreparedDelta,
  type Question,
  type Supplement,
} from './messages.js';

// Prediction thread: loads a model and answers bundles of requests.

// Passed by `PredictThreads`.
const { folder, stored, savedMs, logs, streamed, name, limits, raw, precision } = workerData as PredictThreadSpec;
const loading = load();
// Avoids an unhandled rejection; the first request receives the error.
loading.catch(() => undefined);

/** A bundle that waits for what its rows lack. */
interface WaitingBundle {
  readonly bundle: ReadBundle;
  readonly lacking: ReadonlyMap<RowStateName, LackingRows>;
}

/** One entry per number. */
const waiting = new Map<number, WaitingBundle>();
let numBundles = 0;

answerWith(async (request) => {
  const loaded = await loading;
  const { model } = loaded;
  if (request === undefined) return { result: { facts: loaded.facts, tables: model.tables } satisfies PredictorReady };
  const message = request as Bundle | Supplement | PreparedDelta;
  // Rows are predicted at once, so that no bundle has rows of two versions.
  if ('moved' in message) {
    model.switchTo(message, message.moved, message.tokens);
    loaded.facts = factsAfter(loaded.facts, message);
    return { result: undefined };
  }
  const { facts } = loaded;
  if ('supplements' in message) {
    const { bundle, lacking } = waiting.get(message.supplements)!;
    waiting.delete(message.supplements);
    const { answers } = message;
    const rows = [...lacking].reduce((known, [name, { fill }]) => fill(answers.get(name), known), bundle.rows);
    return toReply(answerBundle(model, facts, { ...bundle, rows }));
  }
  const bundle = readBundle(facts, limits, message);
  const lacking = model.findLacking(bundle.rows);
  if (lacking.size === 0) return toReply(answerBundle(model, facts, bundle));
  waiting.set(++numBundles, { bundle, lacking });
  const queries = new Map(Array.from(lacking, ([name, { query }]) => [name, query]));
  return { result: { id: numBundles, queries } satisfies Question };
});

async function load(): Promise<{ readonly model: GivenModel; facts: ModelFacts }> {
  const trained = buildTrainedModel(folder, stored, raw);
  const { fields } = trained.format;
  const ofFiles = [...(logs ?? [])].map(([log, events]) => [log, logSource(log, events, fields)] as const);
  const model = await compileGivenModel(trained, { events: new Map([...ofFiles, ...streamed]), precision, raw });
  return { model, facts: toFacts(model) };
}

function toFacts(model: GivenModel): ModelFacts {
  const { step, checkpoint, inputs, outputs } = model;
  const { config } = stored;
  return { name: name ?? model.name, version: String(step), checkpoint, savedMs, inputs, outputs, config };
}

function toReply(result: AnsweredBundle): Answer {
  const bodies = result.answers.flatMap(({ body }) => (typeof body === 'string' ? [] : [body.buffer as ArrayBuffer]));
  return { result, transfer: bodies };
}
