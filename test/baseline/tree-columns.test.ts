import { toBatch, type ColumnMaps } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { countTreeIds, MAX_BAG_ITEMS, MAX_CATEGORIES, planTreeColumns } from '../../src/baseline/tree-columns.js';
import type { Batch } from '../../src/core/batch.js';
import type { EncodedField } from '../../src/features/feature.js';

/** Creates a field; the plan reads only these properties. */
const field = (name: string, kind: EncodedField['kind'], more: object = {}): EncodedField =>
  ({ name, kind, columns: [name], owner: name, rows: 3, width: 1, ...more }) as unknown as EncodedField;

const batch = (columns: ColumnMaps & { readonly rows?: number }): Batch => toBatch({ rows: 2, ...columns });

async function matrixOf(fields: readonly EncodedField[], rows: Batch) {
  const counts = await countTreeIds(fields, async function* () {
    yield await Promise.resolve({ batch: rows });
  });
  const { columns, write } = planTreeColumns(fields, counts);
  const into = new Float32Array(rows.rows * columns.length);
  write(rows, into, columns.length, 0);
  return {
    columns,
    values: Array.from({ length: rows.rows }, (_, r) => [
      ...into.subarray(r * columns.length, (r + 1) * columns.length),
    ]),
  };
}

describe('the columns of a tree', () => {
  it('are categories for ids, and numbers for buckets, numbers and vectors; crosses are excluded', async () => {
    const fields = [
      field('color', 'id'),
      field('age_bucketized', 'id', { rule: { kind: 'range', boundaries: [1], empty: 0, cells: 1 } }),
      field('color_X_size', 'id', { columns: ['color', 'size'] }),
      field('price', 'number'),
      field('image', 'vector', { width: 2 }),
    ];
    const rows = batch({
      ids: new Map(Object.entries({ color: Uint32Array.of(2, 0), age_bucketized: Uint32Array.of(1, 2) })),
      numbers: new Map([['price', Float32Array.of(0.5, -1)]]),
      vectors: new Map([['image', { width: 2, data: Float32Array.of(1, 2, 3, 4) }]]),
    });
    expect(await matrixOf(fields, rows)).toEqual({
      columns: [
        { name: 'color', isCategorical: true },
        { name: 'age_bucketized', isCategorical: false },
        { name: 'price', isCategorical: false },
        { name: 'image[0]', isCategorical: false },
        { name: 'image[1]', isCategorical: false },
      ],
      values: [
        [2, 1, 0.5, 1, 2],
        [0, 2, -1, 3, 4],
      ],
    });
  });

  it('are the frequent ids and the training counts of a large vocabulary', async () => {
    // Ids 1 … MAX_CATEGORIES have two rows each, the next one row.
    const ids = [...Array.from({ length: 2 * MAX_CATEGORIES }, (_, i) => 1 + (i >> 1)), MAX_CATEGORIES + 1];
    const rows = batch({ rows: ids.length, ids: new Map([['user', Uint32Array.from(ids)]]) });
    const { columns, values } = await matrixOf([field('user', 'id', { rows: MAX_CATEGORIES + 2 })], rows);
    expect(columns.map(({ name }) => name)).toEqual(['user', 'user (count)']);
    expect([values[0], values.at(-2), values.at(-1)]).toEqual([
      [0, 2],
      [MAX_CATEGORIES - 1, 2],
      [NaN, 1],
    ]);
  });

  it('are the weights of frequent items and the number of items of a bag', async () => {
    const items = Array.from({ length: MAX_BAG_ITEMS }, (_, i) => i);
    const ids = Uint32Array.from([...items, MAX_BAG_ITEMS, ...items, 0]);
    const bag = { offsets: Uint32Array.of(0, MAX_BAG_ITEMS + 1, ids.length), ids, weights: ids.map(() => 1) };
    const weights = Float32Array.from(ids, (id) => 0.5 + id);
    const rows = batch({ bags: new Map([['history', { ...bag, weights }]]) });
    const { columns, values } = await matrixOf([field('history', 'bag', { rows: MAX_BAG_ITEMS + 1 })], rows);
    expect(columns.length).toBe(MAX_BAG_ITEMS + 1);
    expect(columns.slice(0, 2).map(({ name }) => name)).toEqual(['history=0', 'history=1']);
    // Item 0 occurs twice in the second row; the item without a column counts in the last one.
    expect(values[0]).toEqual([...items.map((id) => 0.5 + id), MAX_BAG_ITEMS + 1]);
    expect(values[1]).toEqual([1, ...items.slice(1).map((id) => 0.5 + id), MAX_BAG_ITEMS + 1]);
  });

  it('are the items of a sequence as of a bag, and the mean of their numbers', async () => {
    const offsets = Uint32Array.of(0, 3, 3);
    const rows = batch({
      bags: new Map([
        ['clicks.item', { type: 'list', offsets, ids: Uint32Array.of(2, 1, 2), weights: Float32Array.of(1, 1, 1) }],
        ['clicks.price', { offsets, ids: Uint32Array.of(0, 0, 0), weights: Float32Array.of(1, 2, 6) }],
      ]),
    });
    const fields = [field('clicks.item', 'item'), field('clicks.price', 'itemNumber', { rows: 0 })];
    expect(await matrixOf(fields, rows)).toEqual({
      columns: [
        { name: 'clicks.item=2', isCategorical: false },
        { name: 'clicks.item=1', isCategorical: false },
        { name: 'clicks.item (items)', isCategorical: false },
        { name: 'clicks.price (mean)', isCategorical: false },
      ],
      values: [
        [2, 1, 3, 3],
        [0, 0, 0, 0],
      ],
    });
  });
});
