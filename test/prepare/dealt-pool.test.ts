import { describe, expect, it } from 'vitest';
import type { CountIdsTask } from '../../src/prepare/jobs/count-ids.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../../src/core/process-group.js';
import { createDistributedPool } from '../../src/prepare/distributed-pool.js';
import type { Pool } from '../../src/prepare/pool.js';

/** A pool whose jobs give ten times their argument, and fail for some. */
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
  // Its jobs are none of those of real ones.
  return { asked, pool: { run, close: () => Promise.resolve() } as unknown as Pool };
}

/** One of two processes, where the other says this, one after the other. */
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

describe('a pool of several processes', () => {
  it('does every second job of two processes, and gives what comes of all', async () => {
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

  it('hears of the others after each of eight parts at the latest', async () => {
    const { pool } = fakePool();
    const others = Array.from({ length: 8 }, (_, part) =>
      shareOf(...Array.from({ length: 25 }, (_, i) => 50 * part + 2 * i)),
    );
    const { peers, said } = besides(1, others);
    const found = await createDistributedPool(pool, peers).run('countIds', argsOf(400));
    expect(found).toEqual(Array.from({ length: 400 }, (_, i) => 10 * i));
    expect(said).toHaveLength(8);
  });

  it('has the first process do again, in their order, what failed anywhere, and tell it', async () => {
    // The other has failed at 1; this one at 4, which is behind it.
    const { pool, asked } = fakePool([1, 4]);
    const { peers } = besides(0, [{ done: [], hasFailed: true }]);
    await expect(createDistributedPool(pool, peers).run('countIds', argsOf(5))).rejects.toThrow('of 1');
    expect(asked).toEqual([0, 2, 4, 1]);
  });

  it('goes on where the first process can do what another could not', async () => {
    const { pool, asked } = fakePool();
    const { peers, said } = besides(0, [{ done: [[1, 10]], hasFailed: true }, shareOf()]);
    expect(await createDistributedPool(pool, peers).run('countIds', argsOf(5))).toEqual([0, 10, 20, 30, 40]);
    expect(asked).toEqual([0, 2, 4, 3]);
    expect(said).toEqual([shareOf(0, 2, 4), shareOf(3)]);
  });

  it('leaves to the first what this one cannot do', async () => {
    const { pool } = fakePool([3]);
    const { peers, said } = besides(1, [shareOf(0, 2, 4), shareOf(3)]);
    expect(await createDistributedPool(pool, peers).run('countIds', argsOf(5))).toEqual([0, 10, 20, 30, 40]);
    expect(said).toEqual([{ done: [[1, 10]], hasFailed: true }, shareOf()]);
  });

  it('is that of a process that is alone', () => {
    const { pool } = fakePool();
    expect(createDistributedPool(pool, SINGLE_PROCESS)).toBe(pool);
  });
});
