import { mapsOf } from '../support/batches.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { column, type Batch } from '../../src/core/batch.js';
import { refuseBadRows, skipBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { storedFitted } from '../../src/features/fitted.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const tokens = { name: 'tokens', minCount: 2 };
const groups = [
  { type: 'bag', fields: ['seen'], table: 'item', encoding: tokens },
  { type: 'categorical', fields: ['item'], encoding: tokens },
  { type: 'bag', fields: ['liked'], encoding: { name: 'ids' }, pooling: 'sum' },
  { type: 'cross', fields: [['item', 'hour']], buckets: 1000 },
  { type: 'bucketized', fields: ['hour'], quantiles: 2 },
].map((group) => featureTypes.schema.parse(group));

/** Fits on the rows and opens their data set. */
async function open(rows: readonly string[], policy: RejectPolicy = refuseBadRows) {
  const format = createRowFormat({ tasks, groups });
  const source = await openSource(
    scratchFile('train.csv', ['click,seen,item,liked,hour', ...rows].join('\n')),
    dataColumns(format),
  );
  const fitted = await source.fit(format, { policy });
  return { fitted, dataset: await source.dataset(encodedFormat(format, fitted), { policy }) };
}

/** Returns the items of a bag by row. */
function itemsOf(batch: Batch, field: string): [number, number][][] {
  const { rows, bags } = mapsOf(batch);
  const { offsets, ids, weights } = bags.get(field)!;
  expect(offsets[0]).toBe(0);
  return Array.from({ length: rows }, (_, b) =>
    Array.from(ids.subarray(offsets[b], offsets[b + 1]), (id, i) => [id, weights[offsets[b]! + i]!]),
  );
}

describe('a data set with bags', () => {
  it('shares one vocabulary among fields with the same table', async () => {
    const { fitted, dataset } = await open(['1,a:2|b,c,3:0.5|1,7', '0,,a,,9', '0,z|c|c,b,2,7']);
    // a and b occur once in each field, c three times, z once.
    expect(storedFitted(fitted).json).toEqual({
      item: { vocabulary: ['c', 'a', 'b'], rare: ['z'], rareCounts: [[1, 1]] },
      liked: { size: 4 },
      hour_bucketized: { boundaries: [9] },
    });
    for await (const { batch } of dataset.batches(10)) {
      expect(itemsOf(batch, 'seen')).toEqual([
        [
          [2, 2],
          [3, 1],
        ],
        [],
        [
          [0, 1],
          [1, 1],
          [1, 1],
        ],
      ]);
      expect([...column(batch, 'item', 'u32').data.subarray(0, 3)]).toEqual([1, 2, 3]);
      expect(itemsOf(batch, 'liked')).toEqual([
        [
          [3, 0.5],
          [1, 1],
        ],
        [],
        [[2, 1]],
      ]);
      expect([...column(batch, 'hour_bucketized', 'u32').data.subarray(0, 3)]).toEqual([1, 2, 1]);
      expect(new Set(column(batch, 'item_X_hour', 'u32').data.subarray(0, 3)).size).toBe(3);
    }
  });

  it('shuffles a row together with its bag if bags outgrow the preallocated buffer', async () => {
    const rows = Array.from(
      { length: 300 },
      (_, i) => `0,,${i},${Array.from({ length: i % 50 }, (_, j) => `${i}:${j}`).join('|')},1`,
    );
    const { dataset } = await open(rows);
    let count = 0;
    for await (const { batch } of dataset.batches(32, { seed: 1, epoch: 1, window: 100 })) {
      for (const items of itemsOf(batch, 'liked')) {
        if (items.length > 0)
          expect(items).toEqual(Array.from({ length: items[0]![0] % 50 }, (_, j) => [items[0]![0], j]));
        count += items.length;
      }
    }
    expect(count).toBe(6 * (49 * 25));
  });

  it('discards bag items of an invalid row', async () => {
    const rejects = join(scratchFolder(), 'rejects.csv');
    const { dataset } = await open(['0,a,a,1|2,1', '0,a,a,7|x,1', '0,a,a,3,no', '0,a,a,4,1'], skipBadRows(rejects, 5));
    for await (const { batch } of dataset.batches(10))
      expect(itemsOf(batch, 'liked')).toEqual([
        [
          [1, 1],
          [2, 1],
        ],
        [[4, 1]],
      ]);
    const lines = readFileSync(rejects, 'utf8').trimEnd().split('\n');
    expect(lines[1]).toContain(',3,liked,7|x,expected an integer id in digits,');
    expect(lines[2]).toContain(',4,hour,no,expected a decimal number,');
  });

  it('names all columns of an invalid cross value', async () => {
    await expect(open(['0,a,a\u001fb,1,1'])).rejects.toThrow(
      /train\.csv:2: column "item, hour": expected values without the control character U\+001F/,
    );
  });
});
