import { SYNC_POINTS, type ProcessGroup } from '../core/process-group.js';
import type { Jobs } from './jobs/all.js';
import type { Pool, Result } from './pool.js';

/** Jobs of a process at a time, at the least: some for each of its threads. */
const JOBS = 8;

/** What a process has done of a round: places among the arguments, and what came of these. As JSON. */
interface Share {
  readonly done: readonly (readonly [number, unknown])[];
  readonly hasFailed: boolean;
}

/**
 * A pool whose jobs are dealt out over several processes. All of them ask it for the same jobs, and get what has come
 * of all. What
 * fails with one is done again by the first, in the order of the arguments, so that it tells what one process alone
 * would.
 * @param own the pool of this process
 */
export function createDistributedPool(own: Pool, peers: ProcessGroup): Pool {
  const { rank, size } = peers;
  if (size === 1) return own;
  return {
    async run<J extends keyof Jobs>(
      job: J,
      args: readonly Parameters<Jobs[J]>[0][],
      onDone?: (result: Result<J>, index: number) => void,
    ) {
      const results: Result<J>[] = [];
      const isDone = new Set<number>();
      const take = (place: number, result: Result<J>): void => {
        onDone?.(result, place);
        results[place] = result;
        isDone.add(place);
      };
      const doThese = async (places: readonly number[]): Promise<void> => {
        await own.run(
          job,
          places.map((place) => args[place]!),
          (result, i) => take(places[i]!, result),
        );
      };
      const exchange = (places: readonly number[], hasFailed: boolean): boolean => {
        const share: Share = {
          done: places.filter((place) => isDone.has(place)).map((place) => [place, results[place]]),
          hasFailed,
        };
        // Each sends a share, of results of the job of this name.
        const shares = peers.allGatherStrings(JSON.stringify(share)).map((text) => JSON.parse(text) as Share);
        for (const { done } of shares)
          for (const [place, result] of done) if (!isDone.has(place)) take(place, result as Result<J>);
        return shares.some((each) => each.hasFailed);
      };
      const roundLength = Math.max(Math.ceil(args.length / SYNC_POINTS), JOBS * size);
      for (let begin = 0; begin < args.length; begin += roundLength) {
        const round = Array.from({ length: Math.min(roundLength, args.length - begin) }, (_, i) => begin + i);
        const places = round.filter((place) => place % size === rank);
        const hasFailed = await doThese(places).then(
          () => false,
          () => true,
        );
        if (!exchange(places, hasFailed)) continue;
        const left = round.filter((place) => !isDone.has(place));
        if (rank === 0) await doThese(left);
        exchange(rank === 0 ? left : [], false);
      }
      return results;
    },
    close: () => own.close(),
  };
}
