import { EXIT_CODES } from '../errors.js';

/** The signals that ask a run to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM';

/** A run's way to hear that it should end. */
export interface StopRequest {
  readonly signal: AbortSignal;
  /** The signal that came, if one did. */
  readonly received: StopSignal | undefined;
  /** Stops listening. */
  release(): void;
}

/**
 * Listens for SIGINT and SIGTERM: the first asks the run to save and end, the second ends the process at once.
 * @param onFirst told when the first one comes
 */
export function listenForStop(onFirst: (name: StopSignal) => void): StopRequest {
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
