import { EXIT_CODES } from '../core/errors.js';
import { closeStreams } from '../data/readers/data-stream.js';

/** Systems never send the ones that they do not have. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGBREAK'] as const;

/** The signals that ask a command to end. */
export type StopSignal = (typeof STOP_SIGNALS)[number];

/** A pending or received request to stop. */
export interface StopRequest {
  readonly signal: AbortSignal;
  /** The received signal; undefined if none. */
  readonly received: StopSignal | undefined;
  release(): void;
}

/** Listens for signals: the first signal aborts the work, the second exits the process immediately. */
function listenForStop(onFirst: (name: StopSignal) => void): StopRequest {
  const controller = new AbortController();
  let received: StopSignal | undefined;
  const listener = (name: StopSignal): void => {
    if (received !== undefined) process.exit(EXIT_CODES[name]);
    received = name;
    onFirst(name);
    const reason = new Error(name);
    controller.abort(reason);
    // A stream may wait for its writer forever.
    closeStreams(reason);
  };
  for (const name of STOP_SIGNALS) process.on(name, listener);
  // A process that was started by another, such as a worker, ends with it; nothing else would end it.
  const onDisconnect = (): void => {
    if (received === undefined) listener('SIGTERM');
  };
  process.on('disconnect', onDisconnect);
  // A channel to which only this listens must not keep the process alive.
  if (process.listenerCount('message') === 0) process.channel?.unref();
  return {
    signal: controller.signal,
    get received() {
      return received;
    },
    release() {
      for (const name of STOP_SIGNALS) process.off(name, listener);
      process.off('disconnect', onDisconnect);
    },
  };
}

/**
 * Runs `work` until it finishes or a signal aborts it. The work may throw the signal's reason, or return by itself.
 * @param onFirst called on the first signal
 * @returns the exit code of the work, or the exit code of the signal that aborted it
 */
export async function runUntilSignal(
  onFirst: (name: StopSignal) => void,
  work: (stop: StopRequest) => Promise<number>,
): Promise<number> {
  const stop = listenForStop(onFirst);
  try {
    return await work(stop);
  } catch (error) {
    if (stop.received !== undefined && error === stop.signal.reason) return EXIT_CODES[stop.received];
    throw error;
  } finally {
    stop.release();
  }
}
