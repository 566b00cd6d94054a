import { describe, expect, it } from 'vitest';
import { SINGLE_PROCESS, type ProcessGroup } from '../../src/core/process-group.js';
import { createDistributedPool, type Pool, type Task } from '../../src/system/job-pool.js';

/** Creates a pool whose tasks are numbers, some of which fail. */
function fakePool(failing: readonly number[] = []) {
  const asked: unknown[] = [];
  const run = (_job: string, args: readonly number[], onDone?: (index: number) => void): Promise<void> => {
    for (const [i, arg] of args.entries()) {
      asked.push(arg);
      if (failing.includes(arg)) return Promise.reject(new Error(`of ${arg}`));
      onDone?.(i);
    }
    return Promise.resolve();
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

const tasksOf = (count: number) => Array.from({ length: count }, (_, i) => i) as unknown as readonly Task[];
const shareOf = (...done: readonly number[]) => ({ done, hasFailed: false });
/** Runs tasks, and returns the indices of finished ones, in increasing order. */
const run = async (pool: Pool, peers: ProcessGroup, count: number): Promise<readonly number[]> => {
  const done: number[] = [];
  await createDistributedPool(pool, peers).run(
    { name: 'any', run: () => undefined },
    tasksOf(count),
    (i) => void done.push(i),
  );
  return done.sort((a, b) => a - b);
};

describe('distributed pool', () => {
  it('runs every second task on each of two processes and reports all', async () => {
    const { pool, asked } = fakePool();
    const { peers, said } = besides(1, [shareOf(0, 2, 4)]);
    expect(await run(pool, peers, 5)).toEqual([0, 1, 2, 3, 4]);
    expect(asked).toEqual([1, 3]);
    expect(said).toEqual([shareOf(1, 3)]);
  });

  it('exchanges finished tasks at least every eighth of them', async () => {
    const { pool } = fakePool();
    const others = Array.from({ length: 8 }, (_, part) =>
      shareOf(...Array.from({ length: 25 }, (_, i) => 50 * part + 2 * i)),
    );
    const { peers, said } = besides(1, others);
    expect(await run(pool, peers, 400)).toEqual(Array.from({ length: 400 }, (_, i) => i));
    expect(said).toHaveLength(8);
  });

  it('retries failed tasks in order on rank 0 and reports its error', async () => {
    // The other rank failed at 1; this one fails later, at 4.
    const { pool, asked } = fakePool([1, 4]);
    const { peers } = besides(0, [{ done: [], hasFailed: true }]);
    await expect(run(pool, peers, 5)).rejects.toThrow('of 1');
    expect(asked).toEqual([0, 2, 4, 1]);
  });

  it('continues if rank 0 succeeds in a retry', async () => {
    const { pool, asked } = fakePool();
    const { peers, said } = besides(0, [{ done: [1], hasFailed: true }, shareOf()]);
    expect(await run(pool, peers, 5)).toEqual([0, 1, 2, 3, 4]);
    expect(asked).toEqual([0, 2, 4, 3]);
    expect(said).toEqual([shareOf(0, 2, 4), shareOf(3)]);
  });

  it('leaves failed tasks to rank 0', async () => {
    const { pool } = fakePool([3]);
    const { peers, said } = besides(1, [shareOf(0, 2, 4), shareOf(3)]);
    expect(await run(pool, peers, 5)).toEqual([0, 1, 2, 3, 4]);
    expect(said).toEqual([{ done: [1], hasFailed: true }, shareOf()]);
  });

  it('is the local pool for a single process', () => {
    const { pool } = fakePool();
    expect(createDistributedPool(pool, SINGLE_PROCESS)).toBe(pool);
  });
});
