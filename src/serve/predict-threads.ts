import { startThread, type Thread } from '../system/thread.js';
import { UserError } from '../core/errors.js';
import {
  factsAfter,
  type ModelFacts,
  type PredictorReady,
  type PredictThreadSpec,
  type PreparedDelta,
} from './messages.js';

/** A prediction thread and its number of pending bundles. */
export interface PredictThread {
  readonly thread: Thread;
  numPending: number;
}

export interface PredictThreadsOptions {
  /** Receives the text of each warning. */
  onWarning(text: string): void;
  /** Called when a start has succeeded or failed. */
  onChange(): void;
}

/** Pauses between failed starts; each is twice the one before. */
const [MIN_PAUSE_MS, MAX_PAUSE_MS] = [100, 30_000];

/** Prediction threads of one checkpoint; a lost thread is replaced. */
export class PredictThreads {
  readonly #spec: PredictThreadSpec;
  readonly #options: PredictThreadsOptions;
  readonly #ready: PredictThread[] = [];
  readonly #closing = new AbortController();
  readonly #replacing = new Set<Promise<void>>();
  #facts: ModelFacts | undefined;
  #tables: PredictorReady['tables'] = [];
  /** What all threads have switched to. */
  #current: PreparedDelta | undefined;
  #numStarting = 0;
  /** Failed starts since the last successful one. */
  #numFailed = 0;
  #lastReason: string | undefined;

  private constructor(spec: PredictThreadSpec, options: PredictThreadsOptions) {
    this.#spec = spec;
    this.#options = options;
  }

  /**
   * Starts `count` threads with a checkpoint, and waits until all of them can answer.
   * @throws UserError (checkpoint) if its model cannot be built; no thread is left then
   */
  static async open(spec: PredictThreadSpec, count: number, options: PredictThreadsOptions): Promise<PredictThreads> {
    const threads = new PredictThreads(spec, options);
    const started = await Promise.allSettled(Array.from({ length: count }, () => threads.#start()));
    const failed = started.find((each) => each.status === 'rejected');
    if (failed === undefined) return threads;
    await threads.close();
    throw failed.reason;
  }

  get facts(): ModelFacts {
    return this.#facts!; // all threads have replied before `open` returns
  }

  /** Embedding tables of the model. */
  get tables(): PredictorReady['tables'] {
    return this.#tables;
  }

  /** Threads that can answer. */
  get ready(): readonly PredictThread[] {
    return this.#ready;
  }

  /** Whether a start is in progress, not only scheduled. */
  get isStarting(): boolean {
    return this.#numStarting > 0;
  }

  /** Whether a thread can answer, or the first try to replace the last one is in progress. */
  get isLive(): boolean {
    return this.#ready.length > 0 || this.#numFailed === 0;
  }

  /** Starts another thread in place of one that ended, after growing pauses if that fails. */
  replace(lost: PredictThread, error: Error): void {
    if (!this.#ready.includes(lost)) return;
    this.#ready.splice(this.#ready.indexOf(lost), 1);
    if (this.#closing.signal.aborted) return;
    this.#options.onWarning(`${this.facts.name}: ${error.message}`);
    const done = this.#startAgain().finally(() => this.#replacing.delete(done));
    this.#replacing.add(done);
  }

  /**
   * Switches facts and all threads to a delta, by messages that are sent before this returns. When it resolves, no
   * thread predicts with anything else.
   * @throws what a thread throws, unless it has ended
   */
  async switchTo(delta: PreparedDelta): Promise<void> {
    this.#current = delta;
    this.#facts = factsAfter(this.facts, delta);
    const outcomes = await Promise.allSettled(this.#ready.map((each) => this.#switch(each, delta)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#replacing);
    await Promise.all(this.#ready.map(({ thread }) => thread.close()));
  }

  async #start(): Promise<void> {
    const thread = startThread('serve/predict-worker', this.#spec);
    try {
      const { facts, tables } = (await thread.ask(undefined)) as PredictorReady;
      this.#facts ??= facts;
      this.#tables = tables;
      for (let known: PreparedDelta | undefined; known !== this.#current;) {
        known = this.#current!;
        await thread.ask(known);
      }
      if (this.#closing.signal.aborted) throw new Error('the server is shutting down');
      this.#ready.push({ thread, numPending: 0 });
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  async #switch(each: PredictThread, delta: PreparedDelta): Promise<void> {
    try {
      await each.thread.ask(delta);
    } catch (error) {
      // Only the end of a thread is an error of that kind.
      if (!(error instanceof UserError && error.kind === 'thread')) throw error;
      this.replace(each, error);
    }
  }

  async #startAgain(): Promise<void> {
    let pauseMs = MIN_PAUSE_MS;
    while (!this.#closing.signal.aborted && !(await this.#tryStart())) {
      await pause(pauseMs, this.#closing.signal);
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
    }
  }

  /** Tries to start a thread; reports each reason of a failure once. */
  async #tryStart(): Promise<boolean> {
    const { onWarning, onChange } = this.#options;
    const { name } = this.facts;
    this.#numStarting++;
    try {
      await this.#start();
      [this.#numFailed, this.#lastReason] = [0, undefined];
      onWarning(`${name}: started another prediction thread`);
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#numFailed++;
      if (reason !== this.#lastReason && !this.#closing.signal.aborted)
        onWarning(`${name}: cannot start another prediction thread, retrying: ${reason}`);
      this.#lastReason = reason;
      return false;
    } finally {
      this.#numStarting--;
      onChange();
    }
  }
}

/** Waits for a time, or until a signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
