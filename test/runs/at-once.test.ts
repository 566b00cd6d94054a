import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { allSettledOrThrow } from '../../src/runs/await-all.js';

it('gives results in order, whichever comes first', async () => {
  expect(await allSettledOrThrow([setTimeout(5, 'a'), Promise.resolve(2), Promise.resolve(undefined)])).toEqual([
    'a',
    2,
    undefined,
  ]);
  expect(await allSettledOrThrow([])).toEqual([]);
});

it('throws what the first of them threw, and not before all are over', async () => {
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
