import { stat, utimes } from 'node:fs/promises';
import { monotonicMs, wallClockMs } from '../system/clock.js';

const BEAT_EVERY_MS = 5000;

/** Updates a file's modification time, which shows other processes that this one is alive. */
export async function beat(path: string): Promise<void> {
  const seconds = wallClockMs() / 1000;
  await utimes(path, seconds, seconds);
}

/**
 * Calls a function every 5 seconds; does not keep the process alive. Errors are ignored, because the next call may
 * succeed.
 * @returns a function that stops the calls
 */
export function keepBeating(each: () => Promise<void>): () => void {
  const timer = setInterval(() => void each().catch(() => undefined), BEAT_EVERY_MS).unref();
  return () => clearInterval(timer);
}

/**
 * Detects live processes by the modification times of their files. Intervals use the local clock only, so clocks of
 * different machines are never compared.
 */
export interface HeartbeatWatch {
  /**
   * Returns 'alive' if the file's time changed since the last call, 'dead' if it has not changed for `staleMs`, else
   * 'unknown'.
   */
  check(path: string): Promise<'alive' | 'dead' | 'unknown'>;
}

/**
 * Creates a heartbeat watch.
 * @param staleMs time without a heartbeat after which a process counts as dead
 */
export function watchHeartbeats(staleMs: number): HeartbeatWatch {
  const lastSeen = new Map<string, { readonly mtimeMs: number; readonly sinceMs: number }>();
  return {
    async check(path) {
      const { mtimeMs } = await stat(path);
      const previous = lastSeen.get(path);
      if (previous?.mtimeMs === mtimeMs) return monotonicMs() - previous.sinceMs >= staleMs ? 'dead' : 'unknown';
      lastSeen.set(path, { mtimeMs, sinceMs: monotonicMs() });
      return previous === undefined ? 'unknown' : 'alive';
    },
  };
}
