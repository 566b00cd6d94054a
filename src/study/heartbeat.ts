import { beat, keepBeating, watchHeartbeats } from '../runs/heartbeat.js';
import { hasExited } from '../system/owner.js';
import type { Claim, Trial } from './trial.js';

/**
 * Says that a worker lives, until it is told to end.
 * @param look called as often, to see whether the claim still counts
 */
export function startHeartbeat({ path }: Claim, look: () => Promise<void>): () => void {
  return keepBeating(() => beat(path).then(look));
}

/** Tells which trials nobody holds. */
export interface ClaimWatch {
  /**
   * Whether a trial may be taken: it is not over, and nobody has it, or whoever has it is dead. A process of this
   * machine is looked for; one of
   * another machine or container is taken for dead when its claim's time has not moved for long.
   */
  isFree(trial: Trial): Promise<boolean>;
}

/**
 * Watches the claims of others.
 * @param staleMs after which a claim that does not move is that of a dead worker
 */
export function watchClaims(staleMs: number): ClaimWatch {
  const heartbeats = watchHeartbeats(staleMs);
  return {
    async isFree({ claims, result }) {
      if (result !== undefined) return false;
      const claim = claims.at(-1);
      if (claim === undefined || claim.isReleased) return true;
      const isOver = hasExited(claim.owner);
      if (isOver !== undefined) return isOver;
      return (await heartbeats.look(claim.path)) === 'dead';
    },
  };
}
