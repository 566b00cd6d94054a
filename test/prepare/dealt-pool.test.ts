import { describe, expect, it } from 'vitest';
import type { CountIdsTask } from '../../src/prepare/jobs/count-ids.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../../src/core/process-group.js';
import { createDistributedPool } from '../../src/prepare/distributed-pool.js';
import type { Pool } from '../../src/prepare/pool.js';

/** Creates a pool whose jobs return ten times their argument, and fail for some. */
function fakePool(failing: readonly number[] = []) {
  const asked: unknown[] = [];
  const run = (
    _job: string,
    args: readonly number[],
    onDone?: (result: unknown, index: number) => void,
  ): Promise<unknown[]> => {
    for (const [i, arg] of args.entries()) {
      asked.push(arg);
      if (failing.includes(arg)) return Promise.reject(new Error(`of ${arg}`));
      onDone?.(10 * arg, i);
    }
    return Promise.resolve(args.map((arg) => 10 * arg));
  };
  // Its jobs are not those of a real pool.
  return { asked, pool: { run, close: () => Promise.resolve() } as unknown as Pool };
}

/** Creates one of two processes; `others` are the messages of the other. */
function besides(rank: number, others: readonly object[]): { readonly peers: ProcessGroup; readonly said: unknown[] } {
  const said: unknown[] = [];
  const left = others.map((each) => JSON.stringify(each));
  const texts = (own: string): readonly string[] => {
    said.push(JSON.parse(own));
    const other = left.shift()!;
    return rank === 0 ? [own, other] : [other, own];
  };
  return { said, peers: { ...SINGLE_PROCESS, rank, size: 2, allGatherStrings: texts } };
}

const argsOf = (count: number) => Array.from({ length: count }, (_, i) => i) as unknown as readonly CountIdsTask[];
const shareOf = (...places: readonly number[]) => ({
  done: places.map((place) => [place, 10 * place]),
  hasFailed: false,
});

describe('distributed pool', () => {
  it('runs every second job on each of two processes and collects all results', async () => {
    const { pool, asked } = fakePool();
    const { peers, said } = besides(1, [shareOf(0, 2, 4)]);
    const done: [unknown, number][] = [];
    expect(
      await createDistributedPool(pool, peers).run('countIds', argsOf(5), (result, i) => void done.push([result, i])),
    ).toEqual([0, 10, 20, 30, 40]);
    expect(asked).toEqual([1, 3]);
    expect(said).toEqual([shareOf(1, 3)]);
    expect(done.sort(([, a], [, b]) => a - b)).toEqual([
      [0, 0],
      [10, 1],
      [20, 2],
      [30, 3],
      [40, 4],
    ]);
  });

  it('exchanges results at least every eighth of the jobs', async () => {
    const { pool } = fakePool();
    const others = Array.from({ length: 8 }, (_, part) =>
      shareOf(...Array.from({ length: 25 }, (_, i) => 50 * part + 2 * i)),
    );
    const { peers, said } = besides(1, others);
    const found = await createDistributedPool(pool, peers).run('countIds', argsOf(400));
    expect(found).toEqual(Array.from({ length: 400 }, (_, i) => 10 * i));
    expect(said).toHaveLength(8);
  });

  it('retries failed jobs in order on rank 0 and reports its error', async () => {
    // The other rank failed at 1; this one fails later, at 4.
    const { pool, asked } = fakePool([1, 4]);
    const { peers } = besides(0, [{ done: [], hasFailed: true }]);
    await expect(createDistributedPool(pool, peers).run('countIds', argsOf(5))).rejects.toThrow('of 1');
    expect(asked).toEqual([0, 2, 4, 1]);
  });

  it('continues if rank 0 succeeds in a retry', async () => {
    const { pool, asked } = fakePool();
    const { peers, said } = besides(0, [{ done: [[1, 10]], hasFailed: true }, shareOf()]);
    expect(await createDistributedPool(pool, peers).run('countIds', argsOf(5))).toEqual([0, 10, 20, 30, 40]);
    expect(asked).toEqual([0, 2, 4, 3]);
    expect(said).toEqual([shareOf(0, 2, 4), shareOf(3)]);
  });

  it('leaves failed jobs to rank 0', async () => {
    const { pool } = fakePool([3]);
    const { peers, said } = besides(1, [shareOf(0, 2, 4), shareOf(3)]);
    expect(await createDistributedPool(pool, peers).run('countIds', argsOf(5))).toEqual([0, 10, 20, 30, 40]);
    expect(said).toEqual([{ done: [[1, 10]], hasFailed: true }, shareOf()]);
  });

  it('is the local pool for a single process', () => {
    const { pool } = fakePool();
    expect(createDistributedPool(pool, SINGLE_PROCESS)).toBe(pool);
  });
});
