import { SYNC_POINTS, type ProcessGroup } from '../core/process-group.js';
import type { Jobs } from './jobs/all.js';
import type { Pool, Result } from './pool.js';

/** Minimum number of jobs per process at a time, for all of its threads. */
const JOBS = 8;

/** One process's part of a round as JSON: argument indices and their results. */
interface Share {
  readonly done: readonly (readonly [number, unknown])[];
  readonly hasFailed: boolean;
}

/**
 * Creates a pool that shards jobs over processes. All processes request the same jobs and get all results. If any
 * fails, rank 0 runs the failed jobs again in order, so that the error is that of a single process.
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
        // Each process sends its results of this job.
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
