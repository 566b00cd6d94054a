import { setTimeout } from 'node:timers/promises';
import type { StreamReading } from './record-stream.js';

const MIN_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;

/** Waits between attempts to reach a server, and reports the begin and the end of each outage once. */
export class Outage {
  readonly #name: string;
  readonly #reading: Pick<StreamReading, 'signal' | 'onWarning'>;
  #delayMs = 0;

  /** @param name of the stream */
  constructor(name: string, reading: Pick<StreamReading, 'signal' | 'onWarning'>) {
    this.#name = name;
    this.#reading = reading;
  }

  /** Waits before the next attempt: 100 ms at first, then twice as long each time, up to 10 s. */
  async wait(reason: string): Promise<void> {
    const { signal } = this.#reading;
    if (this.#delayMs === 0)
      this.#reading.onWarning(`lost ${this.#name} (${reason}); trying again at least every ${MAX_DELAY_MS / 1000} s`);
    this.#delayMs = Math.min(MAX_DELAY_MS, Math.max(MIN_DELAY_MS, 2 * this.#delayMs));
    await setTimeout(this.#delayMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }

  /** Notes a successful attempt. */
  end(): void {
    if (this.#delayMs > 0) this.#reading.onWarning(`reached ${this.#name} again`);
    this.#delayMs = 0;
  }
}

/**
 * Waits for work that cannot be stopped itself.
 * @throws the reason of the signal if it is aborted first
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
