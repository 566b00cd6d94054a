import { beat, keepBeating, watchHeartbeats } from '../runs/heartbeat.js';
import { wallClockMs } from '../system/clock.js';
import { hasExited } from '../system/owner.js';
import type { Claim, Trial } from './trial.js';

/**
 * Updates a claim's heartbeat until the returned function is called.
 * @param check called after each heartbeat, to check whether the claim is still valid
 */
export function startHeartbeat({ path }: Claim, check: () => Promise<void>): () => void {
  return keepBeating(() => beat(path).then(check));
}

/** Detects trials without a live worker. */
export interface ClaimWatch {
  /**
   * Reports whether a trial may be claimed: it has no result, no live worker holds it, and the wait after its release
   * is over. A process of this machine is checked by its id; one of another machine or container counts as dead once
   * its claim's heartbeat is stale.
   */
  isFree(trial: Trial): Promise<boolean>;
}

/**
 * Watches the claims of other workers.
 * @param staleMs age of a heartbeat after which its worker counts as dead
 */
export function watchClaims(staleMs: number): ClaimWatch {
  const heartbeats = watchHeartbeats(staleMs);
  return {
    async isFree({ claims, result }) {
      if (result !== undefined) return false;
      const claim = claims.at(-1);
      if (claim === undefined) return true;
      if (claim.release !== undefined) return Date.parse(claim.release.retryAt) <= wallClockMs();
      const isOver = hasExited(claim.owner);
      if (isOver !== undefined) return isOver;
      return (await heartbeats.check(claim.path)) === 'dead';
    },
  };
}
