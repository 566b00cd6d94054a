import type { CountsByColumn } from '../data/objects/object-reader.js';
import type { LiveCounters } from '../data/counters/live-counters.js';
import type { EventSources } from '../data/objects/event-source.js';
import { readCheckpoint, type Checkpoint } from '../runs/checkpoint.js';
import { manifestDigest, readSavedMs } from '../runs/manifest.js';
import type { EventLogs } from '../trained-model/read-histories.js';
import { BUG } from './answer-bundle.js';
import { DeltaFollower } from './delta-follower.js';
import { LiveState } from './live-state.js';
import {
  packRequests,
  type Answered,
  type AnsweredBundle,
  type BodyKind,
  type Bundle,
  type ModelFacts,
  type PredictorSpec,
  type Question,
  type TableWriterSpec,
} from './messages.js';
import { PredictThreads, type PredictThread } from './predict-threads.js';
import { reserveRows } from './reserve-rows.js';
import { refusal, refusedAnswer } from './refusal.js';

/** Options of a pool. */
export interface PoolOptions {
  readonly workers: number;
  /** Whether newer checkpoints are loaded. */
  readonly isReloaded: boolean;
  /** Maximum time until a request is answered. */
  readonly timeoutMs: number;
  /** Called after each answered bundle. */
  onBundle(facts: ModelFacts, requests: number, rows: number, counts: CountsByColumn): void;
  /** Receives the text of each warning. */
  onWarning(text: string): void;
}

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
 * Prediction threads of one checkpoint, and the requests that wait for them. Requests that arrive while all threads are
 * busy are bundled.
 */
export class Pool {
  readonly #state: LiveState;
  readonly #options: PoolOptions;
  readonly #queue: Waiting[] = [];
  #threads!: PredictThreads;
  /** Undefined if checkpoints are not reloaded. */
  #follower: DeltaFollower | undefined;
  #waitingBytes = 0;
  #isPlanned = false;
  #onIdle: (() => void) | undefined;

  private constructor(options: PoolOptions, state: LiveState) {
    this.#options = options;
    this.#state = state;
  }

  /**
   * Loads a checkpoint and its event logs, starts threads that share them, and waits until all of them can answer.
   * @throws UserError (checkpoint) if it cannot be loaded; (usage, data) if its event logs cannot be; no thread is left
   * then
   */
  static async open(spec: PredictorSpec, options: PoolOptions): Promise<Pool> {
    const { folder, raw, tables } = spec;
    const { isReloaded, workers } = options;
    const sha256 = await manifestDigest(folder);
    const savedMs = await readSavedMs(folder);
    const state = await LiveState.load(folder);
    const pool = new Pool(options, state);
    const memory = { isShared: true, hasSpare: isReloaded, tables };
    const loaded = await readCheckpoint(folder, { states: [], ...memory });
    const { stored, tokens } = await reserveRows(folder, loaded, { isReloaded, raw });
    const streamed = state.sources;
    const logs = await readLogs(spec, stored, streamed, options);
    const threads = await PredictThreads.open({ ...spec, stored, savedMs, logs, streamed }, workers, {
      onWarning: (text) => options.onWarning(text),
      onChange: () => pool.#dispatch(),
    });
    pool.#threads = threads;
    const { program, sections, config, tableFormat } = stored;
    const written = { program, sections, config, tableFormat };
    const writer: TableWriterSpec = { stored: written, tables: threads.tables, tokens, raw };
    if (isReloaded)
      pool.#follower = new DeltaFollower(writer, sha256, {
        prepare: (delta) => state.prepare(delta),
        switchThreads: (delta) => threads.switchTo(delta),
      });
    return pool;
  }

  /**
   * Applies the deltas from the served checkpoint to a later one; requests are answered meanwhile, each by one version.
   * @returns false if the later one must be loaded whole
   * @throws UserError (checkpoint) for a delta that is missing or invalid; those before it are applied
   */
  async follow(folder: string): Promise<boolean> {
    return (await this.#follower?.follow(folder)) ?? false;
  }

  /** Counters of the model, which all threads share; undefined for a model without any. */
  get counters(): LiveCounters | undefined {
    return this.#state.counters;
  }

  get facts(): ModelFacts {
    return this.#threads.facts;
  }

  /** Whether a thread can answer. */
  get isReady(): boolean {
    return this.#threads.ready.length > 0;
  }

  /** Whether it can answer or may recover by itself; false if no thread is left and a restart failed. */
  get isLive(): boolean {
    return this.#threads.isLive;
  }

  /** Answers a request; never rejects. */
  ask(body: Uint8Array, kind: BodyKind): Promise<Answered> {
    if (this.#queue.length >= MAX_WAITING || this.#waitingBytes >= MAX_WAITING_BYTES) return Promise.resolve(BUSY);
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
      const timer = setTimeout(() => request.settle(LATE), this.#options.timeoutMs);
      this.#queue.push(request);
      this.#waitingBytes += body.length;
      // Dispatch after all requests of this event loop turn have arrived.
      if (!this.#isPlanned) setImmediate(() => this.#dispatch());
      this.#isPlanned = true;
    });
  }

  /** Closes the threads after all pending requests are answered. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.#dispatch();
    });
    await this.#follower?.close();
    await this.#threads.close();
  }

  #dispatch(): void {
    const { ready, isStarting } = this.#threads;
    this.#isPlanned = false;
    if (ready.length === 0 && !isStarting) {
      this.#waitingBytes = 0;
      for (const { settle } of this.#queue.splice(0)) settle(GONE);
    }
    for (;;) {
      const free = ready
        .filter(({ numPending }) => numPending < BUNDLES_PER_WORKER)
        .sort((a, b) => a.numPending - b.numPending);
      const idle = free.filter(({ numPending }) => numPending === 0).length;
      if (free.length === 0 || this.#queue.length === 0) break;
      const share = Math.ceil(this.#queue.length / Math.max(1, idle));
      const requests = this.#takeBundle(Math.min(MAX_BUNDLE_REQUESTS, share));
      if (requests.length > 0) void this.#send(free[0]!, requests);
    }
    if (this.#queue.length === 0 && ready.every(({ numPending }) => numPending === 0)) this.#onIdle?.();
  }

  /** Takes the requests of the next bundle. */
  #takeBundle(maxRequests: number): readonly Waiting[] {
    const bundle: Waiting[] = [];
    let bytes = 0;
    let end = 0;
    while (end < this.#queue.length && bundle.length < maxRequests && bytes < MAX_BUNDLE_BYTES) {
      const request = this.#queue[end++]!;
      this.#waitingBytes -= request.body.length;
      if (request.isSettled) continue;
      bundle.push(request);
      bytes += request.body.length;
    }
    this.#queue.splice(0, end);
    return bundle;
  }

  async #send(worker: PredictThread, requests: readonly Waiting[]): Promise<void> {
    worker.numPending++;
    try {
      const { answers, counts } = await this.#askThread(worker, packRequests(requests));
      const rows = answers.reduce((sum, answer) => sum + answer.rows, 0);
      this.#options.onBundle(this.facts, requests.length, rows, counts);
      for (const [i, request] of requests.entries()) request.settle(answers[i]!);
    } catch (error) {
      const isBug = error instanceof Error && error.name === 'Error';
      for (const request of requests) request.settle(isBug ? { ...BUG, bug: error.stack } : GONE);
      if (!isBug) this.#threads.replace(worker, error as Error);
    }
    worker.numPending--;
    this.#dispatch();
  }

  async #askThread({ thread }: PredictThread, bundle: Bundle): Promise<AnsweredBundle> {
    const reply = (await thread.ask(bundle, [bundle.bytes.buffer as ArrayBuffer])) as AnsweredBundle | Question;
    if (!('id' in reply)) return reply;
    // Read and sent at once: the thread answers by the version whose state this is.
    return (await thread.ask(this.#state.supply(reply))) as AnsweredBundle;
  }
}

/** Reads the event logs of files of a model; undefined if none is requested. */
async function readLogs(
  { folder, histories = false }: PredictorSpec,
  stored: Checkpoint,
  streamed: EventSources,
  { onWarning }: PoolOptions,
): Promise<EventLogs | undefined> {
  if (histories === false) return undefined;
  // The HTTP thread loads no model otherwise.
  const { readHistories } = await import('../trained-model/read-histories.js');
  const { buildTrainedModel } = await import('../trained-model/trained-model.js');
  return readHistories(buildTrainedModel(folder, stored), histories, new Set(streamed.keys()), onWarning);
}

function buildAnswer(status: number, message: string, fix: string): Answered {
  return refusedAnswer(refusal(status, { message, fix }));
}
