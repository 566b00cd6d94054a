import { stat, utimes } from 'node:fs/promises';
import { monotonicMs, wallClockMs } from '../clock.js';
import { hasEnded } from '../runs/owner.js';
import type { Claim, Trial } from './trial.js';

/** A worker says so often that it lives, by the time of its claim's file. */
const BEAT_EVERY_MS = 5000;

/**
 * Says that a worker lives, until it is told to end.
 * @param look called as often, to see whether the claim still counts
 */
export function keepAlive({ path }: Claim, look: () => Promise<void>): () => void {
  const timer = setInterval(() => {
    const seconds = wallClockMs() / 1000;
    // What the disk refuses now it may take the next time.
    utimes(path, seconds, seconds).then(look).catch(() => undefined);
  }, BEAT_EVERY_MS);
  return () => clearInterval(timer);
}

/** Tells which trials nobody holds. */
export interface ClaimWatch {
  /**
   * Whether a trial may be taken: it is not over, and nobody has it, or whoever has it is dead. A process of this machine is looked for; one of
   * another is taken for dead when its claim's time has not moved for long, as seen from here: no two clocks are compared.
   */
  isFree(trial: Trial): Promise<boolean>;
}

/**
 * Watches the claims of others.
 * @param staleMs after which a claim that does not move is that of a dead worker
 */
export function watchClaims(staleMs: number): ClaimWatch {
  const seen = new Map<string, { readonly mtimeMs: number; readonly sinceMs: number }>();
  return {
    async isFree({ claims, result }) {
      if (result !== undefined) return false;
      const claim = claims.at(-1);
      if (claim === undefined || claim.isReleased) return true;
      const isOver = hasEnded(claim.owner);
      if (isOver !== undefined) return isOver;
      const { mtimeMs } = await stat(claim.path);
      const before = seen.get(claim.path);
      if (before?.mtimeMs === mtimeMs) return monotonicMs() - before.sinceMs >= staleMs;
      seen.set(claim.path, { mtimeMs, sinceMs: monotonicMs() });
      return false;
    },
  };
}
