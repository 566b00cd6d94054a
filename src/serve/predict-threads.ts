import { startThread, type Thread } from '../system/thread.js';
import type { ModelFacts, PredictThreadSpec } from './messages.js';

/** A prediction thread and its number of pending bundles. */
export interface PredictThread {
  readonly thread: Thread;
  numPending: number;
}

/** Prediction threads of one checkpoint; a lost thread is replaced. */
export interface PredictThreads {
  readonly facts: ModelFacts;
  /** Threads that can answer. */
  readonly ready: readonly PredictThread[];
  /** Whether a start is in progress, not only scheduled. */
  readonly isStarting: boolean;
  /** Whether a thread can answer, or the first try to replace the last one is in progress. */
  readonly isLive: boolean;
  /** Starts another thread in place of one that ended, after growing pauses if that fails. */
  replace(lost: PredictThread, error: Error): void;
  close(): Promise<void>;
}

/** Callbacks of `openPredictThreads`. */
export interface PredictThreadsOptions {
  /** Receives warnings. */
  onWarning(text: string): void;
  /** Called when a start has succeeded or failed. */
  onChange(): void;
}

/** Pauses between failed starts; each is twice the one before. */
const [MIN_PAUSE_MS, MAX_PAUSE_MS] = [100, 30_000];

/**
 * Starts `count` threads with a checkpoint, and waits until all of them can answer.
 * @throws UserError (checkpoint) if its model cannot be built; no thread is left then
 */
export async function openPredictThreads(
  spec: PredictThreadSpec,
  count: number,
  { onWarning, onChange }: PredictThreadsOptions,
): Promise<PredictThreads> {
  const ready: PredictThread[] = [];
  let isClosing = false;
  let numStarting = 0;
  /** Failed starts since the last successful one. */
  let numFailed = 0;
  let lastReason: string | undefined;
  /** Callbacks that end a pause immediately. */
  const wakes = new Set<() => void>();
  const replacing = new Set<Promise<void>>();

  const start = async (): Promise<ModelFacts> => {
    const thread = startThread('serve/predict-worker', spec);
    try {
      const facts = (await thread.ask(undefined)) as ModelFacts;
      if (isClosing) throw new Error('the server is shutting down');
      ready.push({ thread, numPending: 0 });
      return facts;
    } catch (error) {
      await thread.close();
      throw error;
    }
  };
  const started = await Promise.allSettled(Array.from({ length: count }, start));
  const failed = started.find((each) => each.status === 'rejected');
  if (failed !== undefined) {
    await Promise.all(ready.map(({ thread }) => thread.close()));
    throw failed.reason;
  }
  const facts = (started[0] as PromiseFulfilledResult<ModelFacts>).value;

  /** Tries to start a thread; reports each reason of a failure once. */
  const tryStart = async (): Promise<boolean> => {
    numStarting++;
    try {
      await start();
      [numFailed, lastReason] = [0, undefined];
      onWarning(`${facts.name}: started another prediction thread`);
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      numFailed++;
      if (reason !== lastReason && !isClosing)
        onWarning(`${facts.name}: cannot start another prediction thread, retrying: ${reason}`);
      lastReason = reason;
      return false;
    } finally {
      numStarting--;
      onChange();
    }
  };
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      if (isClosing) return resolve();
      const wake = (): void => {
        clearTimeout(timer);
        wakes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      wakes.add(wake);
    });
  const startAgain = async (): Promise<void> => {
    for (let pauseMs = MIN_PAUSE_MS; !isClosing; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      if (await tryStart()) return;
      await pause(pauseMs);
    }
  };

  return {
    facts,
    ready,
    get isStarting() {
      return numStarting > 0;
    },
    get isLive() {
      return ready.length > 0 || numFailed === 0;
    },
    replace(lost, error) {
      if (!ready.includes(lost)) return;
      ready.splice(ready.indexOf(lost), 1);
      if (isClosing) return;
      onWarning(`${facts.name}: ${error.message}`);
      const done = startAgain().finally(() => replacing.delete(done));
      replacing.add(done);
    },
    async close() {
      isClosing = true;
      for (const wake of wakes) wake();
      await Promise.all(replacing);
      await Promise.all(ready.map(({ thread }) => thread.close()));
    },
  };
}
