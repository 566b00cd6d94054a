import { withMaps } from '../support/batches.js';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { KernelChoice } from '../../src/engines/kernel-choice.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { expectLikeFloat64 } from '../support/like-float64.js';
import {
  batchOf,
  INTERESTS,
  largeEmbeddings,
  LAYOUT,
  planWith,
  sequenceLayout,
  sequenceOf,
  WIDTH,
  type Interest,
} from '../support/sequences.js';

/** Returns the layout of rows with at most so many items. */
const layoutOf = (maxItems: number): InputLayout => ({
  ...LAYOUT,
  sequences: [sequenceLayout({ field: 'clicked', table: 'item', width: WIDTH, maxItems })],
});

/** Random rows with these numbers of items: more than a block of rows has. */
function longBatch(counts: readonly number[], seed: number): Batch {
  const clicked = sequenceOf(counts, randomStream(seed, 'clicked'));
  return withMaps(batchOf(counts.length, seed), { bags: new Map([['clicked', clicked]]) });
}

/** Returns how many items 40 rows have: none, or up to 200; about 3,200 in all. */
function randomCounts(seed: number): readonly number[] {
  const random = randomStream(seed, 'counts');
  return Array.from({ length: 40 }, (_, b) => (b % 5 === 0 ? 0 : random.below(201)));
}

/** Blocks end before the first row, within rows that have none, and on both sides of a row larger than a block. */
const EDGES = [2500, 0, 0, 1, 2400, 2399, 0, 3, 0];

/** Items of the rows of each batch. */
const BATCHES = [randomCounts(1), EDGES, randomCounts(2)];
/** Batches whose gradients are summed by parts of several rows, first one with more items in the last rows. */
const PARTED = [
  Array.from({ length: 150 }, (_, b) => (b < 100 ? b % 7 : 60)),
  Array.from({ length: 131 }, (_, b) => (b * 37) % 50),
];

/**
 * Trains on some batches; returns all weights, losses and predictions.
 * @param tables where tables are: in the memory of all buffers, or in memory of their own
 */
async function train(
  choice: KernelChoice,
  threads: number,
  interest: Interest,
  tables: 'shared' | 'apart' = 'shared',
  batches: readonly (readonly number[])[] = BATCHES,
): Promise<unknown> {
  const watch = { isPatient: true, ...(tables === 'apart' && { tableBytes: 0 }) };
  const program = createCpuEngine(threads, true, watch, choice).compile({
    ...planWith(interest, undefined, ['tower'], layoutOf(2500)),
    batchRows: Math.max(...batches.map(({ length }) => length)),
  });
  await setTimeout(threads > 1 ? 200 : 0);
  const losses: unknown[] = [];
  for (const counts of batches) losses.push((await program.trainStep(longBatch(counts, losses.length))).losses);
  const predictions = await program.predict(longBatch(EDGES, 9));
  const weights = [...program.state().weights].map(([name, { data }]) => [name, data.slice()]);
  program.dispose();
  return { losses, predictions, weights };
}

/** In double precision, each item of a recurrent unit copies the gradients of all items. */
const NOT_RECURRENT = Object.entries<Interest>(INTERESTS).filter(([name]) => !name.startsWith('recurrent'));

describe('a batch of several blocks', () => {
  it.each(NOT_RECURRENT)('equals float64: %s', async (_name, interest) => {
    const plan = planWith(interest);
    const program = createCpuEngine().compile(plan);
    const weights = new Map([...program.state().weights, ['embeddings.item', largeEmbeddings()] as const]);
    program.restore({ step: 0, weights, optimizer: new Map() });
    await expectLikeFloat64(program, plan, batchOf(900, 3), 1e-4);
    program.dispose();
  });

  it.each(['din', 'causal attention', 'items of the largest products', 'recurrent unit'] as const)(
    'is bitwise the same for any number of threads, in WebAssembly and natively where possible: %s',
    { tags: ['long'] },
    async (name) => {
      const expected = await train('wasm', 1, INTERESTS[name]);
      for (const [choice, threads, tables] of [
        ['wasm', 2, 'shared'],
        ['wasm', 3, 'shared'],
        ['wasm', 1, 'apart'],
        ['wasm', 3, 'apart'],
        ['auto', 1, 'shared'],
        ['auto', 3, 'shared'],
        ['auto', 3, 'apart'],
      ] as const)
        expect(
          await train(choice, threads, INTERESTS[name], tables),
          `${choice}, ${threads} threads, tables ${tables}`,
        ).toEqual(expected);
    },
  );

  it('sums gradients by parts that are bitwise the same for any number of threads', async () => {
    const expected = await train('wasm', 1, INTERESTS.din, 'shared', PARTED);
    for (const [choice, threads] of [
      ['wasm', 3],
      ['auto', 1],
      ['auto', 2],
    ] as const)
      expect(await train(choice, threads, INTERESTS.din, 'shared', PARTED), `${choice}, ${threads} threads`).toEqual(
        expected,
      );
  });
});
