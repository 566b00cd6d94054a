import type { CountsByColumn } from '../data/objects/object-reader.js';
import type { LiveCounters } from '../data/counters/live-counters.js';
import { readCheckpoint } from '../runs/checkpoint.js';
import { loadCounters } from '../trained-model/load-counters.js';
import { BUG } from './answer-bundle.js';
import {
  packRequests,
  type Answered,
  type AnsweredBundle,
  type BodyKind,
  type Bundle,
  type CounterQuestion,
  type CounterValues,
  type ModelFacts,
  type PredictorSpec,
} from './messages.js';
import { openPredictThreads, type PredictThread } from './predict-threads.js';
import { refusal, refusedAnswer } from './refusal.js';

/** Prediction threads of one checkpoint. */
export interface Pool {
  readonly facts: ModelFacts;
  /** Whether a thread can answer. */
  readonly isReady: boolean;
  /** Whether it can answer or may recover by itself; false if no thread is left and a restart failed. */
  readonly isLive: boolean;
  /** Counters of the model, which all threads share; undefined for a model without any. */
  readonly counters: LiveCounters | undefined;
  /** Answers a request; never rejects. */
  ask(body: Uint8Array, kind: BodyKind): Promise<Answered>;
  /** Closes the threads after all pending requests are answered. */
  close(): Promise<void>;
}

/** Options of a pool. */
export interface PoolOptions {
  readonly workers: number;
  /** Maximum time until a request is answered. */
  readonly timeoutMs: number;
  /** Called after each answered bundle. */
  onBundle(facts: ModelFacts, requests: number, rows: number, counts: CountsByColumn): void;
  /** Receives warnings. */
  onWarning(text: string): void;
}

/** A pending request. */
interface Waiting {
  readonly body: Uint8Array;
  readonly kind: BodyKind;
  readonly settle: (answer: Answered) => void;
  isSettled: boolean;
}

/** Maximum number of bundles per thread: one in progress, one queued to avoid idle time. */
const BUNDLES_PER_WORKER = 2;
/** Maximum number of requests per bundle; a bundle beyond the byte limit takes no further request. */
const [MAX_BUNDLE_REQUESTS, MAX_BUNDLE_BYTES] = [256, 1 << 20];
/** Maximum number and bytes of waiting requests; further ones are rejected. */
const [MAX_WAITING, MAX_WAITING_BYTES] = [10_000, 1 << 28];

const BUSY = buildAnswer(503, 'too many requests are waiting', 'retry later, or raise --workers of mtl serve');
const GONE = buildAnswer(503, 'the prediction thread exited', 'retry later; mtl serve starts another thread');
const LATE = buildAnswer(
  504,
  'the request timed out',
  'send fewer rows per request, or raise --workers or --timeout of mtl serve',
);

/**
 * Loads a checkpoint, starts threads that share its tensors, and waits until all of them can answer. Requests that
 * arrive while all threads are busy are bundled.
 * @throws UserError (checkpoint) if it cannot be loaded; no thread is left then
 */
export async function openPool(
  spec: PredictorSpec,
  { workers: count, timeoutMs, onBundle, onWarning }: PoolOptions,
): Promise<Pool> {
  const queue: Waiting[] = [];
  let waitingBytes = 0;
  let isPlanned = false;
  let onIdle: (() => void) | undefined;
  const counters = await loadCounters(spec.folder);
  const stored = await readCheckpoint(spec.folder, { withCounters: false, isShared: true });
  const threads = await openPredictThreads({ ...spec, stored }, count, { onWarning, onChange: () => dispatch() });
  const { facts, ready } = threads;

  const askThread = async ({ thread }: PredictThread, bundle: Bundle): Promise<AnsweredBundle> => {
    const reply = (await thread.ask(bundle, [bundle.bytes.buffer as ArrayBuffer])) as AnsweredBundle | CounterQuestion;
    if (!('query' in reply)) return reply;
    const values = counters!.read(reply.query);
    return (await thread.ask({ id: reply.id, values } satisfies CounterValues)) as AnsweredBundle;
  };

  const send = async (worker: PredictThread, requests: readonly Waiting[]): Promise<void> => {
    worker.numPending++;
    try {
      const { answers, counts } = await askThread(worker, packRequests(requests));
      onBundle(
        facts,
        requests.length,
        answers.reduce((sum, { rows }) => sum + rows, 0),
        counts,
      );
      for (const [i, request] of requests.entries()) request.settle(answers[i]!);
    } catch (error) {
      const isBug = error instanceof Error && error.name === 'Error';
      for (const request of requests) request.settle(isBug ? { ...BUG, bug: error.stack } : GONE);
      if (!isBug) threads.replace(worker, error as Error);
    }
    worker.numPending--;
    dispatch();
  };

  /** Takes the requests of the next bundle. */
  const takeBundle = (share: number): readonly Waiting[] => {
    const bundle: Waiting[] = [];
    let bytes = 0;
    let end = 0;
    while (end < queue.length && bundle.length < share && bytes < MAX_BUNDLE_BYTES) {
      const request = queue[end++]!;
      waitingBytes -= request.body.length;
      if (request.isSettled) continue;
      bundle.push(request);
      bytes += request.body.length;
    }
    queue.splice(0, end);
    return bundle;
  };

  const dispatch = (): void => {
    isPlanned = false;
    if (ready.length === 0 && !threads.isStarting) {
      waitingBytes = 0;
      for (const { settle } of queue.splice(0)) settle(GONE);
    }
    for (;;) {
      const free = ready
        .filter(({ numPending }) => numPending < BUNDLES_PER_WORKER)
        .sort((a, b) => a.numPending - b.numPending);
      const idle = free.filter(({ numPending }) => numPending === 0).length;
      if (free.length === 0 || queue.length === 0) break;
      const requests = takeBundle(Math.min(MAX_BUNDLE_REQUESTS, Math.ceil(queue.length / Math.max(1, idle))));
      if (requests.length > 0) void send(free[0]!, requests);
    }
    if (queue.length === 0 && ready.every(({ numPending }) => numPending === 0)) onIdle?.();
  };

  return {
    facts,
    counters,
    get isReady() {
      return ready.length > 0;
    },
    get isLive() {
      return threads.isLive;
    },
    ask(body, kind) {
      if (queue.length >= MAX_WAITING || waitingBytes >= MAX_WAITING_BYTES) return Promise.resolve(BUSY);
      return new Promise((resolve) => {
        const request: Waiting = {
          body,
          kind,
          isSettled: false,
          settle(answer) {
            if (request.isSettled) return;
            request.isSettled = true;
            clearTimeout(timer);
            resolve(answer);
          },
        };
        const timer = setTimeout(() => request.settle(LATE), timeoutMs);
        queue.push(request);
        waitingBytes += body.length;
        // Dispatch after all requests of this event loop turn have arrived.
        if (!isPlanned) setImmediate(dispatch);
        isPlanned = true;
      });
    },
    async close() {
      await new Promise<void>((resolve) => {
        onIdle = resolve;
        dispatch();
      });
      await threads.close();
    },
  };
}

function buildAnswer(status: number, message: string, fix: string): Answered {
  return refusedAnswer(refusal(status, { message, fix }));
}
