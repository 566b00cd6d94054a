import { EXIT_CODES } from '../core/errors.js';

/** The signals that ask a command to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM';

/** A command's way to hear that it should end. */
export interface StopRequest {
  readonly signal: AbortSignal;
  /** The signal that came, if one did. */
  readonly received: StopSignal | undefined;
  /** Stops listening. */
  release(): void;
}

/** Listens for SIGINT and SIGTERM: the first asks the work to end, the second ends the process at once. */
function listenForStop(onFirst: (name: StopSignal) => void): StopRequest {
  const controller = new AbortController();
  let received: StopSignal | undefined;
  const listener = (name: StopSignal): void => {
    if (received !== undefined) process.exit(EXIT_CODES[name]);
    received = name;
    onFirst(name);
    controller.abort(new Error(name));
  };
  process.on('SIGINT', listener).on('SIGTERM', listener);
  return {
    signal: controller.signal,
    get received() {
      return received;
    },
    release: () => void process.off('SIGINT', listener).off('SIGTERM', listener),
  };
}

/**
 * Does some work that SIGINT or SIGTERM ends: work that throws the signal's reason then, or finds its own way to end.
 * @param onFirst told when the first one comes
 * @returns the exit code: the work's own, or that of the signal that it ended at
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
