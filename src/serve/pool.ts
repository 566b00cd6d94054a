import type { CountsByColumn } from '../data/rows/observe-cells.js';
import { BUG } from './answer-bundle.js';
import {
  packRequests,
  type Answered,
  type AnsweredBundle,
  type BodyKind,
  type ModelFacts,
  type PredictorSpec,
} from './messages.js';
import { openPredictThreads, type PredictThread } from './predict-threads.js';
import { refusal, refusedAnswer } from './refusal.js';

/** Threads that predict with one checkpoint. */
export interface Pool {
  readonly facts: ModelFacts;
  /** Whether a thread is there that can answer. */
  readonly isReady: boolean;
  /**
   * Whether it can answer, or will without anyone's help as far as is known: false once no thread is left and a start
   * has failed.
   */
  readonly isLive: boolean;
  /** What is answered to a body; never rejects. */
  ask(body: Uint8Array, kind: BodyKind): Promise<Answered>;
  /** Ends the threads, once all that was asked is answered. */
  close(): Promise<void>;
}

/** How a pool works, and who is told. */
export interface PoolOptions {
  readonly workers: number;
  /** A request that waits longer is given up. */
  readonly timeoutMs: number;
  /** Told of every bundle that was answered. */
  onBundle(facts: ModelFacts, requests: number, rows: number, counts: CountsByColumn): void;
  /** Told what people should know. */
  onWarning(text: string): void;
}

/** A request that has no answer yet. */
interface Waiting {
  readonly body: Uint8Array;
  readonly kind: BodyKind;
  readonly settle: (answer: Answered) => void;
  isSettled: boolean;
}

/**
 * Bundles that a thread has at a time: one that it answers, and one that it goes on with while this thread hears of the
 * other.
 */
const BUNDLES_PER_WORKER = 2;
/** Requests of a bundle, and bytes behind which no further is added. */
const [MAX_BUNDLE_REQUESTS, MAX_BUNDLE_BYTES] = [256, 1 << 20];
/** Requests that wait, and their bytes: more are sent away. */
const [MAX_WAITING, MAX_WAITING_BYTES] = [10_000, 1 << 28];

const BUSY = answerOf(503, 'too many requests are waiting', 'ask again later, or start mtl serve with more --workers');
const GONE = answerOf(503, 'the thread that predicts ended', 'ask again later; mtl serve starts another one');
const LATE = answerOf(
  504,
  'there was no answer in time',
  'ask for fewer rows at once, or start mtl serve with more --workers or a longer --timeout',
);

/**
 * Starts threads that load a checkpoint, and waits until all of them can answer. What is asked while they are busy goes
 * to them
 * together.
 * @throws UserError (checkpoint) where it cannot be loaded; nothing is left then
 */
export async function openPool(
  spec: PredictorSpec,
  { workers: count, timeoutMs, onBundle, onWarning }: PoolOptions,
): Promise<Pool> {
  const queue: Waiting[] = [];
  let waitingBytes = 0;
  let isPlanned = false;
  let onIdle: (() => void) | undefined;
  const threads = await openPredictThreads(spec, count, { onWarning, onChange: () => dispatch() });
  const { facts, ready } = threads;

  const send = async (worker: PredictThread, requests: readonly Waiting[]): Promise<void> => {
    worker.numAsked++;
    try {
      const bundle = packRequests(requests);
      const { answers, counts } = (await worker.thread.ask(bundle, [
        bundle.bytes.buffer as ArrayBuffer,
      ])) as AnsweredBundle;
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
    worker.numAsked--;
    dispatch();
  };

  /** The requests that go together next. */
  const takeBundle = (share: number): readonly Waiting[] => {
    const taken: Waiting[] = [];
    let bytes = 0;
    let end = 0;
    while (end < queue.length && taken.length < share && bytes < MAX_BUNDLE_BYTES) {
      const request = queue[end++]!;
      waitingBytes -= request.body.length;
      if (request.isSettled) continue;
      taken.push(request);
      bytes += request.body.length;
    }
    queue.splice(0, end);
    return taken;
  };

  const dispatch = (): void => {
    isPlanned = false;
    if (ready.length === 0 && !threads.isStarting) {
      waitingBytes = 0;
      for (const { settle } of queue.splice(0)) settle(GONE);
    }
    for (;;) {
      const free = ready
        .filter(({ numAsked }) => numAsked < BUNDLES_PER_WORKER)
        .sort((a, b) => a.numAsked - b.numAsked);
      const idle = free.filter(({ numAsked }) => numAsked === 0).length;
      if (free.length === 0 || queue.length === 0) break;
      const requests = takeBundle(Math.min(MAX_BUNDLE_REQUESTS, Math.ceil(queue.length / Math.max(1, idle))));
      if (requests.length > 0) void send(free[0]!, requests);
    }
    if (queue.length === 0 && ready.every(({ numAsked }) => numAsked === 0)) onIdle?.();
  };

  return {
    facts,
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
        // All that came in with this one goes with it.
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

function answerOf(status: number, message: string, fix: string): Answered {
  return refusedAnswer(refusal(status, { message, fix }));
}
