import { toBatch } from '../support/batches.js';
import fc from 'fast-check';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { column, type BagColumn } from '../../src/core/batch.js';
import { shardDataset } from '../../src/data/batches/dataset.js';
import type { Shuffle } from '../../src/data/batches/pass.js';
import { createOrderedWords, OrderedBags } from '../../src/data/batches/ordered-rows.js';
import type { BlockColumn } from '../../src/chunks/row-block.js';
import { openShards, type Shards } from '../../src/data/shards/reader.js';
import { asStored } from '../../src/data/shards/shard-view.js';
import { writeShards } from '../../src/data/shards/writer.js';
import { randomStream, shuffledOrder } from '../../src/core/random.js';
import { scratchFolder } from '../support/scratch.js';

/** A bag of a row, as bits, to compare moved values exactly. */
interface Bag {
  readonly ids: readonly number[];
  readonly weights: readonly number[];
}

const bits = (weights: readonly number[]): number[] => [...new Uint32Array(Float32Array.from(weights).buffer)];

/** Stores bags in a column with capacity for more rows. */
function columnOf(bags: readonly Bag[], spareRows = 0): BagColumn {
  const offsets = new Uint32Array(bags.length + 1 + spareRows);
  let end = 0;
  for (const [row, { ids }] of bags.entries()) offsets[row + 1] = end += ids.length;
  return {
    type: 'list',
    offsets,
    ids: Uint32Array.from(bags.flatMap(({ ids }) => ids)),
    weights: Float32Array.from(bags.flatMap(({ weights }) => weights)),
  };
}

/** Reads the bags of the first rows of a column. */
function bagsOf(
  { offsets, ids, weights }: BagColumn,
  rows: number,
): { readonly ids: number[]; readonly weights: number[] }[] {
  expect(offsets[0]).toBe(0);
  return Array.from({ length: rows }, (_, row) => ({
    ids: [...ids.subarray(offsets[row], offsets[row + 1])],
    weights: bits([...weights.subarray(offsets[row], offsets[row + 1])]),
  }));
}

const drawBag = (random: ReturnType<typeof randomStream>, most: number): Bag => {
  const length = random.below(3) === 0 ? 0 : random.below(most + 1);
  return {
    ids: Array.from({ length }, () => random.uint32() >>> 1),
    weights: Array.from({ length }, () => random.normal()),
  };
};

/** Copies bags to the input buffer of a permutation. */
function fill(raw: OrderedBags['raw'], { offsets, ids, weights }: BagColumn): void {
  raw.offsets.set(offsets);
  raw.reserve(ids.length);
  raw.ids.set(ids);
  raw.weights.set(weights);
}

describe('permuted bags', () => {
  it.each<[string, number | undefined]>([
    ['with kernels', undefined],
    ['without kernels, for a column above their limit', 1000],
  ])('equal the bags of the given rows: %s', { tags: ['long'] }, (_, maxBytes) => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2000 }),
        fc.constantFrom(0, 1, 3, 40, 1001),
        fc.integer({ min: 1, max: 1500 }),
        fc.nat(),
        (rows, most, count, seed) => {
          const random = randomStream(seed, 'bags');
          const ordered = new OrderedBags({ rows: rows + 7, gathered: count, slots: 2 }, maxBytes);
          const put = [0, 1, 2, 3].map((turn) => {
            // Reuses a buffer that grew before.
            const bags = Array.from({ length: rows }, () =>
              drawBag(random, rows > 200 || turn > 2 ? Math.min(most, 40) : most),
            );
            fill(ordered.raw, columnOf(bags, 7));
            const order = Uint32Array.from({ length: rows === 0 ? 0 : random.below(count + 1) }, () =>
              random.below(rows),
            );
            const found = ordered.put(order, turn % 2);
            expect(bagsOf(found, order.length)).toEqual(
              [...order].map((row) => ({ ids: bags[row]!.ids, weights: bits(bags[row]!.weights) })),
            );
            return { found, kept: bagsOf(found, order.length), rows: order.length };
          });
          // Writing one slot leaves the other slot unchanged.
          for (const { found, kept, rows: ofOrder } of put.slice(2)) expect(bagsOf(found, ofOrder)).toEqual(kept);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('may exceed the expected number of items per batch', () => {
    const random = randomStream(1, 'large');
    const bags = [3, 50_000, 0, 16_384, 16_385, 2, 0].map((length): Bag => ({
      ids: Array.from({ length }, () => random.below(1000)),
      weights: Array.from({ length }, () => random.uniform()),
    }));
    const order = Uint32Array.of(4, 1, 0, 6, 3, 5, 2, 1, 4);
    const ordered = new OrderedBags({ rows: 7, gathered: 9, slots: 1 });
    fill(ordered.raw, columnOf(bags));
    expect(bagsOf(ordered.put(order, 0), 9)).toEqual(
      [...order].map((row) => ({ ids: bags[row]!.ids, weights: bits(bags[row]!.weights) })),
    );
  });

  it('preserve the bits of NaN weights', () => {
    const ordered = new OrderedBags({ rows: 2, gathered: 2, slots: 1 });
    fill(ordered.raw, {
      type: 'list',
      offsets: Uint32Array.of(0, 2, 3),
      ids: Uint32Array.of(1, 2, 3),
      weights: new Float32Array(Uint32Array.of(0x7fa00001, 0x80000000, 0xffc12345).buffer),
    });
    const { weights } = ordered.put(Uint32Array.of(1, 0), 0);
    expect([...new Uint32Array(weights.buffer, weights.byteOffset, 3)]).toEqual([0xffc12345, 0x7fa00001, 0x80000000]);
  });
});

describe('permuted words', () => {
  it('equal the words of the given rows, for any number of columns and rows, until their slot is reused', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 9 }),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        (numColumns, rows, putRows, seed) => {
          const random = randomStream(seed, 'words');
          const columns = Array.from({ length: numColumns }, (_, c) => ({
            name: `c${c}`,
            kind: c % 3 === 0 ? ('number' as const) : ('id' as const),
          }));
          const ordered = createOrderedWords(columns, { rows, gathered: putRows, slots: 2 });
          const bitsOf = (all: typeof ordered.raw): number[][] =>
            all.map(({ data: { buffer, byteOffset, length } }) => [...new Uint32Array(buffer, byteOffset, length)]);
          const placed = [0, 1, 0, 1].map((place) => {
            const words = columns.map(() => Array.from({ length: rows }, () => random.uint32()));
            for (const [
              c,
              {
                data: { buffer, byteOffset },
              },
            ] of ordered.raw.entries())
              new Uint32Array(buffer, byteOffset, rows).set(words[c]!);
            const order = Uint32Array.from({ length: random.below(putRows + 1) }, () => random.below(rows));
            const found = ordered.put(order, place);
            const expected = words.map((column) => [...order].map((row) => column[row]!));
            expect(found).toHaveLength(columns.length);
            expect(bitsOf(found)).toEqual(expected);
            expect(bitsOf(ordered.raw)).toEqual(words);
            return { found, expected };
          });
          for (const { found, expected } of placed.slice(2)) expect(bitsOf(found)).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });
});

const COLUMNS: readonly BlockColumn[] = [
  { name: 'user', kind: 'id' },
  { name: 'seen', kind: 'bag' },
  { name: 'price', kind: 'number' },
  { name: 'rare', kind: 'bag' },
  { name: 'click', kind: 'label' },
  { name: 'image', kind: 'vector', width: 3 },
  { name: 'session', kind: 'key' },
];

interface Row {
  readonly user: number;
  readonly price: number;
  readonly click: number;
  readonly seen: Bag;
  readonly rare: Bag;
  readonly image: readonly number[];
  readonly session: readonly number[];
}

function drawRows(count: number, seed: number): Row[] {
  const random = randomStream(seed, 'rows');
  return Array.from({ length: count }, (_, row) => ({
    user: row,
    price: Math.fround(random.normal()),
    click: random.below(2),
    seen: drawBag(random, 9),
    rare: random.below(20) === 0 ? drawBag(random, 300) : { ids: [], weights: [] },
    image: [row, row + 1, row + 2],
    session: [random.uint32(), random.uint32()],
  }));
}

/** Writes rows as shards of `rowsPerShard` rows. */
async function shardsOf(rows: readonly Row[], rowsPerShard: number): Promise<Shards> {
  const folder = join(scratchFolder(), 'shards');
  await writeShards(
    folder,
    COLUMNS,
    async (writer) => {
      await writer.add(
        toBatch({
          rows: rows.length,
          ids: new Map([['user', Uint32Array.from(rows, ({ user }) => user)]]),
          numbers: new Map([['price', Float32Array.from(rows, ({ price }) => price)]]),
          labels: new Map([['click', Float32Array.from(rows, ({ click }) => click)]]),
          bags: new Map([
            ['seen', columnOf(rows.map(({ seen }) => seen))],
            ['rare', columnOf(rows.map(({ rare }) => rare))],
          ]),
          vectors: new Map([['image', { width: 3, data: Float32Array.from(rows.flatMap(({ image }) => image)) }]]),
          keys: new Map([['session', Uint32Array.from(rows.flatMap(({ session }) => session))]]),
        }),
      );
      return {
        sizes: new Map([
          ['user', rows.length],
          ['seen', 2 ** 31],
          ['rare', 2 ** 31],
        ]),
      };
    },
    rowsPerShard,
  );
  return (await openShards(folder))!;
}

/** Computes the reference order of an epoch: random shards, then random rows of a window of whole batches. */
function plainOrder(
  rows: readonly Row[],
  rowsPerShard: number,
  batchSize: number,
  { seed, epoch, window: wanted }: Shuffle,
): Row[] {
  const window = Math.min(Math.max(1, Math.ceil(wanted / batchSize)), Math.ceil(rows.length / batchSize)) * batchSize;
  const shards = Uint32Array.from({ length: Math.ceil(rows.length / rowsPerShard) }, (_, shard) => shard);
  if (rows.length > window) shuffledOrder(shards, shards.length, randomStream(seed, 'shuffle shards', epoch));
  const inTurn = [...shards].flatMap((shard) => rows.slice(shard * rowsPerShard, (shard + 1) * rowsPerShard));
  const all: Row[] = [];
  for (let begin = 0, number = 0; begin < rows.length; begin += window, number++) {
    const part = inTurn.slice(begin, begin + window);
    const order = new Uint32Array(part.length);
    shuffledOrder(
      order,
      part.length,
      number === 0 ? randomStream(seed, 'shuffle', epoch) : randomStream(seed, 'shuffle', epoch, number),
    );
    all.push(...[...order].map((row) => part[row]!));
  }
  return all;
}

type Batches = ReturnType<ReturnType<typeof shardDataset>['batches']>;

async function readRows(batches: Batches): Promise<{ rows: Row[]; sizes: number[] }> {
  const rows: Row[] = [];
  const sizes: number[] = [];
  for await (const { batch } of batches) {
    sizes.push(batch.rows);
    const [seen, rare] = [
      bagsOf(column(batch, 'seen', 'list'), batch.rows),
      bagsOf(column(batch, 'rare', 'list'), batch.rows),
    ];
    for (let row = 0; row < batch.rows; row++) {
      rows.push({
        user: column(batch, 'user', 'u32').data[row]!,
        price: column(batch, 'price', 'f32').data[row]!,
        click: column(batch, 'click', 'f32').data[row]!,
        seen: seen[row]!,
        rare: rare[row]!,
        image: [...column(batch, 'image', 'f32').data.subarray(3 * row, 3 * row + 3)],
        session: [...column(batch, 'session', 'u32').data.subarray(2 * row, 2 * row + 2)],
      });
    }
  }
  return { rows, sizes };
}

const inBits = (rows: readonly Row[]): Row[] =>
  rows.map((row) => ({
    ...row,
    seen: { ids: row.seen.ids, weights: bits(row.seen.weights) },
    rare: { ids: row.rare.ids, weights: bits(row.rare.weights) },
  }));

describe.each([1, 2])('shuffled epoch, threads: %d', { tags: ['long'] }, (threads) => {
  it.each<[string, number, number, number, number]>([
    ['windows of several batches and shards, the last one short', 1003, 64, 30, 200],
    ['windows smaller than a batch', 500, 64, 48, 10],
    ['a single window', 700, 100, 32, 10_000],
    ['windows within a shard', 900, 400, 16, 64],
    ['a single batch', 90, 40, 4096, 262_144],
    ['a single row', 1, 8, 4, 8],
    ['many rows, which kernels process in parts', 9000, 2048, 1024, 6000],
  ])('has the rows of the reference order: %s', async (_, count, rowsPerShard, batchSize, window) => {
    const rows = drawRows(count, 1);
    const shards = await shardsOf(rows, rowsPerShard);
    const dataset = shardDataset(shards, asStored(COLUMNS), { threads, threadedRows: 1 });
    onTestFinished(() => dataset.close());
    for (const epoch of [1, 2]) {
      const shuffle = { seed: 5, epoch, window };
      const expected = inBits(plainOrder(rows, rowsPerShard, batchSize, shuffle));
      const found = await readRows(dataset.batches(batchSize, shuffle));
      expect(found.rows).toEqual(expected);
      expect(found.sizes.every((size, b) => size === Math.min(batchSize, count - b * batchSize))).toBe(true);
      const skipBatches = Math.floor(found.sizes.length / 2);
      expect((await readRows(dataset.batches(batchSize, shuffle, { skipBatches }))).rows).toEqual(
        expected.slice(skipBatches * batchSize),
      );
    }
    const shuffles = [3, 4].map((epoch) => ({ seed: 5, epoch, window }));
    const atOnce = await Promise.all(shuffles.map((shuffle) => readRows(dataset.batches(batchSize, shuffle))));
    expect(atOnce.map((found) => found.rows)).toEqual(
      shuffles.map((shuffle) => inBits(plainOrder(rows, rowsPerShard, batchSize, shuffle))),
    );
  });
});

describe('shuffling thread', () => {
  it('handles rows with nearly all items of a window, beyond its initial capacity', async () => {
    const random = randomStream(1, 'heavy');
    const rows = drawRows(40, 1).map((row, r) =>
      r === 7
        ? {
            ...row,
            seen: {
              ids: Array.from({ length: 50_000 }, () => random.uint32() >>> 1),
              weights: Array.from({ length: 50_000 }, () => Math.fround(random.normal())),
            },
          }
        : row,
    );
    const dataset = shardDataset(await shardsOf(rows, 16), asStored(COLUMNS), { threads: 2, threadedRows: 1 });
    onTestFinished(() => dataset.close());
    for (const epoch of [1, 2]) {
      const shuffle = { seed: 5, epoch, window: 20 };
      expect((await readRows(dataset.batches(5, shuffle))).rows).toEqual(inBits(plainOrder(rows, 16, 5, shuffle)));
    }
  });

  it('stays alive for the next reader after two concurrent readers', async () => {
    const rows = drawRows(200, 1);
    const dataset = shardDataset(await shardsOf(rows, 64), asStored(COLUMNS), { threads: 2, threadedRows: 1 });
    onTestFinished(() => dataset.close());
    const shuffles = [1, 2, 3].map((epoch) => ({ seed: 5, epoch, window: 100 }));
    const [first, second, third] = shuffles.map((shuffle) => dataset.batches(10, shuffle)) as [
      Batches,
      Batches,
      Batches,
    ];
    await second.next();
    await readRows(first);
    // Closing waits for the pending read.
    const stopped = second.return(undefined);
    await setImmediate();
    const found = await readRows(third);
    await stopped;
    expect(found.rows).toEqual(inBits(plainOrder(rows, 64, 10, shuffles[2]!)));
  });
});
