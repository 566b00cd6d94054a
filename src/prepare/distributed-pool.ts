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
      const take = (argument: number, result: Result<J>): void => {
        onDone?.(result, argument);
        results[argument] = result;
        isDone.add(argument);
      };
      const doThese = async (indices: readonly number[]): Promise<void> => {
        await own.run(
          job,
          indices.map((argument) => args[argument]!),
          (result, i) => take(indices[i]!, result),
        );
      };
      const exchange = (indices: readonly number[], hasFailed: boolean): boolean => {
        const share: Share = {
          done: indices.filter((argument) => isDone.has(argument)).map((argument) => [argument, results[argument]]),
          hasFailed,
        };
        // Each process sends its results of this job.
        const shares = peers.allGatherStrings(JSON.stringify(share)).map((text) => JSON.parse(text) as Share);
        for (const { done } of shares)
          for (const [argument, result] of done) if (!isDone.has(argument)) take(argument, result as Result<J>);
        return shares.some((each) => each.hasFailed);
      };
      const roundLength = Math.max(Math.ceil(args.length / SYNC_POINTS), JOBS * size);
      for (let begin = 0; begin < args.length; begin += roundLength) {
        const round = Array.from({ length: Math.min(roundLength, args.length - begin) }, (_, i) => begin + i);
        const indices = round.filter((argument) => argument % size === rank);
        const hasFailed = await doThese(indices).then(
          () => false,
          () => true,
        );
        if (!exchange(indices, hasFailed)) continue;
        const left = round.filter((argument) => !isDone.has(argument));
        if (rank === 0) await doThese(left);
        exchange(rank === 0 ? left : [], false);
      }
      return results;
    },
    close: () => own.close(),
  };
}
