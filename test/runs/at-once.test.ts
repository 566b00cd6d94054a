import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { allSettledOrThrow } from '../../src/runs/await-all.js';

it('returns results in order, whichever settles first', async () => {
  expect(await allSettledOrThrow([setTimeout(5, 'a'), Promise.resolve(2), Promise.resolve(undefined)])).toEqual([
    'a',
    2,
    undefined,
  ]);
  expect(await allSettledOrThrow([])).toEqual([]);
});

it('throws the first rejection after all have settled', async () => {
  const over: string[] = [];
  const slow = async (name: string, error?: Error): Promise<void> => {
    await setTimeout(5);
    over.push(name);
    if (error !== undefined) throw error;
  };
  const [first, second] = [new Error('first'), new Error('second')];
  await expect(allSettledOrThrow([slow('a', first), Promise.reject(second), slow('b')])).rejects.toBe(first);
  expect(over).toEqual(['a', 'b']);
});
