import { toBatch } from '../support/batches.js';
import { column } from '../../src/core/batch.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shardDataset, type BatchRange, type Dataset } from '../../src/data/batches/dataset.js';
import type { Shuffle } from '../../src/data/batches/pass.js';
import { refuseBadRows, skipBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openShards } from '../../src/data/shards/reader.js';
import { asStored } from '../../src/data/shards/shard-view.js';
import { writeShards } from '../../src/data/shards/writer.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const tasks: Task[] = [
  { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
  { name: 'cvr', ...taskOptions.parse({ label: 'purchase', given: 'click' }) },
];
const groups = [
  featureTypes.schema.parse({ type: 'categorical', fields: ['id'] }),
  featureTypes.schema.parse({ type: 'numeric', fields: ['price'] }),
];
const HEADER = 'click,purchase,id,price,unused';

/** Fits on the rows and opens them like a run does. */
async function open(rows: readonly string[], policy: RejectPolicy = refuseBadRows): Promise<Dataset> {
  const format = createRowFormat({ tasks, groups });
  const source = await openSource(scratchFile('train.csv', [HEADER, ...rows].join('\n')), dataColumns(format));
  return source.dataset(encodedFormat(format, await source.fit(format, { policy })), { policy });
}

async function ids(dataset: Dataset, batchSize: number, shuffle?: Shuffle, range?: BatchRange): Promise<number[][]> {
  const batches: number[][] = [];
  for await (const { batch } of dataset.batches(batchSize, shuffle, range))
    batches.push([...column(batch, 'id', 'u32').data.subarray(0, batch.rows)]);
  return batches;
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `0,0,${i},0,`);

describe('dataset', () => {
  it('provides typed columns by name, in file order', async () => {
    const dataset = await open(['1,1,5,0.5,x', '0,0,7,-1e2,y']);
    for await (const { batch, totalRows } of dataset.batches(10)) {
      expect(totalRows).toBe(2);
      expect(batch.rows).toBe(2);
      expect([...column(batch, 'id', 'u32').data.subarray(0, 2)]).toEqual([5, 7]);
      expect([...column(batch, 'price', 'f32').data.subarray(0, 2)]).toEqual([0.5, -100]);
      expect([...column(batch, 'click', 'f32').data.subarray(0, 2)]).toEqual([1, 0]);
    }
  });

  it('yields full batches and a smaller last one', async () => {
    const dataset = await open(numbered(10));
    expect(await ids(dataset, 4)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
  });

  it.each([
    ['8192 plain rows and one without its newline', 8193, ''],
    ['twice as many', 16_385, ''],
    ['8192 plain rows and a quoted one', 8193, '"'],
  ])('reads every row at block boundaries: %s', async (_, count, quote) => {
    const rows = numbered(count);
    rows[count - 1] = `0,0,${quote}${count - 1}${quote},0,`;
    expect((await ids(await open(rows), 5000)).flat()).toEqual(rows.map((__, i) => i));
  });

  it('shuffles by seed and epoch: every row once, within the window', async () => {
    const dataset = await open(numbered(100));
    const shuffled = async (seed: number, epoch: number, window: number) =>
      (await ids(dataset, 8, { seed, epoch, window })).flat();
    const first = await shuffled(1, 1, 40);
    expect(first).toEqual(await shuffled(1, 1, 40));
    expect(first).not.toEqual(await shuffled(1, 2, 40));
    expect(first).not.toEqual(await shuffled(2, 1, 40));
    expect(first.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(Math.max(...first.slice(0, 40))).toBe(39);
    expect(first.slice(0, 40)).not.toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  it('starts at any batch of an epoch', async () => {
    const dataset = await open(numbered(103));
    for (const shuffle of [undefined, { seed: 1, epoch: 3, window: 40 }, { seed: 1, epoch: 3, window: 1000 }]) {
      const whole = await ids(dataset, 8, shuffle);
      for (let skipBatches = 0; skipBatches <= 14; skipBatches++)
        expect(await ids(dataset, 8, shuffle, { skipBatches })).toEqual(whole.slice(skipBatches));
    }
  });

  it('supports an early exit and concurrent readers', async () => {
    const dataset = await open(numbered(100));
    const shuffle = { seed: 1, epoch: 1, window: 16 };
    const whole = await ids(dataset, 8, shuffle);
    for await (const { batch } of dataset.batches(8, shuffle))
      if (column(batch, 'id', 'u32').data[0] === whole[3]![0]) break;
    expect(await Promise.all([ids(dataset, 8, shuffle), ids(dataset, 8, shuffle)])).toEqual([whole, whole]);
  });

  it('shuffles rows across shards, reproducibly by seed and epoch', async () => {
    const folder = join(scratchFolder(), 'shards');
    const columns = [{ name: 'id', kind: 'id' }] as const;
    const all = Array.from({ length: 1000 }, (_, i) => i);
    const batch = toBatch({ rows: 1000, ids: new Map([['id', Uint32Array.from(all)]]) });
    await writeShards(
      folder,
      columns,
      async (writer) => {
        await writer.add(batch);
        return { sizes: new Map([['id', 1000]]) };
      },
      64,
    );
    const shards = (await openShards(folder))!;
    const dataset = shardDataset(shards, asStored(columns));
    expect((await ids(dataset, 30)).flat()).toEqual(all);
    const shuffle = { seed: 1, epoch: 1, window: 256 };
    const order = await ids(dataset, 30, shuffle);
    expect(order.flat().toSorted((a, b) => a - b)).toEqual(all);
    expect(await ids(dataset, 30, shuffle)).toEqual(order);
    expect(await ids(dataset, 30, { ...shuffle, epoch: 2 })).not.toEqual(order);
    expect(await ids(dataset, 30, shuffle, { skipBatches: 21 })).toEqual(order.slice(21));
    // A window of 270 rows spans five random shards of the file.
    expect(Math.max(...order.slice(0, 9).flat()) - Math.min(...order.slice(0, 9).flat())).toBeGreaterThan(600);
  });

  it('rejects ids beyond the table size', async () => {
    const folder = join(scratchFolder(), 'shards');
    const columns = [{ name: 'id', kind: 'id' }] as const;
    await writeShards(
      folder,
      columns,
      async (writer) => {
        await writer.add(
          toBatch({
            rows: 3,
            ids: new Map([['id', Uint32Array.of(1, 2, 7)]]),
          }),
        );
        return { sizes: new Map([['id', 7]]) };
      },
      2,
    );
    const shards = (await openShards(folder))!;
    await expect(ids(shardDataset(shards, asStored(columns)), 8)).rejects.toThrow(
      /shard-00001\.safetensors, row 0: column 'id': expected an id below 7/,
    );
  });

  it('rejects a file without rows', async () => {
    await expect(open([])).rejects.toThrow(/expected at least one usable row after the header/);
  });

  it.each([
    ['a label that is neither 0 nor 1', '2,0,1,0,', /train\.csv:3: column "click": expected 0 or 1, found "2"/],
    ['an empty label', ',0,1,0,', /column "click": expected 0 or 1, found ""/],
    ['an id in hexadecimal', '0,0,0x1F,0,', /column "id": expected an integer id in digits, found "0x1F"/],
    ['a negative id', '0,0,-1,0,', /column "id": expected an integer id in digits/],
    [
      'an id above 2^31',
      '0,0,2147483648,0,',
      /column "id": expected an id of at most 2147483647, found "2147483648"; correct the row, or set encoding: tokens or encoding: \{ name: hash, buckets: … \}/,
    ],
    [
      'an id with decimals',
      '0,0,7.0,0,',
      /column "id": expected an integer id in digits, found "7\.0"; write ids without decimals/,
    ],
    ['an infinite number', '0,0,1,1e400,', /column "price": expected a number within the range/],
    ['a number with a space', '0,0,1, 1,', /column "price": expected a decimal number, found " 1"/],
    ['NaN', '0,0,1,NaN,', /column "price": expected a decimal number, found "NaN"/],
    ['too few values', '0,0,1,0', /train\.csv:3: expected 5 values as in the header, found 4/],
    ['a purchase without a click', '0,1,1,0,', /train\.csv:3: expected click to be 1 if purchase is 1/],
  ])('rejects %s with file, line, column and value', async (_, row, message) => {
    const attempt = async () => ids(await open(['0,0,1,0,', row]), 2);
    await expect(attempt()).rejects.toThrow(message);
    await expect(attempt()).rejects.toMatchObject({ exitCode: 3 });
  });

  it('skips invalid rows and records each once with its reason', async () => {
    const path = join(scratchFolder(), 'rejects.csv');
    const policy = skipBadRows(path, 10);
    const dataset = await open(['0,0,1,0,', '0,0,x,0,"a,b"', '0,1,900,0,', '0,0,2,0,'], policy);
    expect((await ids(dataset, 8)).flat()).toEqual([1, 2]);
    await ids(dataset, 8);
    expect(policy.count).toBe(2);
    const [header, first, second, ...others] = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(header).toBe('file,line,column,value,reason,row');
    expect(first).toMatch(/train\.csv,3,id,x,expected an integer id in digits,"0,0,x,0,""a,b"""$/);
    expect(second).toMatch(/train\.csv,4,,,expected click to be 1 if purchase is 1,"0,1,900,0,"$/);
    expect(others).toEqual([]);
  });

  it('does not fit on skipped rows', async () => {
    const policy = skipBadRows(undefined, 10);
    const format = createRowFormat({ tasks, groups });
    const source = await openSource(
      scratchFile('train.csv', [HEADER, '0,0,3,0,', '0,0,900,x,', '0,1,800,0,'].join('\n')),
      dataColumns(format),
    );
    expect(await source.fit(format, { policy })).toEqual({ id: { size: 4 } });
  });

  it('fails at the first invalid row beyond maxRejects', async () => {
    await expect(open(['0,0,x,0,', '0,0,y,0,', '0,0,1,0,'], skipBadRows(undefined, 1))).rejects.toThrow(
      /train\.csv:3: .*invalid row 2 exceeds data\.maxRejects: 1/,
    );
  });
});
