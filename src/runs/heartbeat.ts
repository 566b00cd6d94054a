import { stat, utimes } from 'node:fs/promises';
import { monotonicMs, wallClockMs } from '../system/clock.js';

/** Interval at which a process moves the time of its file. */
const BEAT_EVERY_MS = 5000;

/** Moves the time of a file, by which others see that its process is alive. */
export async function beat(path: string): Promise<void> {
  const seconds = wallClockMs() / 1000;
  await utimes(path, seconds, seconds);
}

/**
 * Calls a function every 5 seconds, as long as the process has something else to do. A failure is ignored: the disk may
 * take the next one.
 * @returns ends it
 */
export function keepBeating(each: () => Promise<void>): () => void {
  const timer = setInterval(() => void each().catch(() => undefined), BEAT_EVERY_MS).unref();
  return () => clearInterval(timer);
}

/**
 * Reports whether other processes are alive, by the times of their files as seen from here: no two clocks are compared.
 */
export interface HeartbeatWatch {
  /**
   * Looks at a file: 'alive' if its time moved since the last look, 'dead' if it has not moved for long, else
   * 'unknown'.
   */
  look(path: string): Promise<'alive' | 'dead' | 'unknown'>;
}

/** Watches heartbeats. @param staleMs after which a file whose time does not move is that of a dead process */
export function watchHeartbeats(staleMs: number): HeartbeatWatch {
  const seen = new Map<string, { readonly mtimeMs: number; readonly sinceMs: number }>();
  return {
    async look(path) {
      const { mtimeMs } = await stat(path);
      const before = seen.get(path);
      if (before?.mtimeMs === mtimeMs) return monotonicMs() - before.sinceMs >= staleMs ? 'dead' : 'unknown';
      seen.set(path, { mtimeMs, sinceMs: monotonicMs() });
      return before === undefined ? 'unknown' : 'alive';
    },
  };
}
