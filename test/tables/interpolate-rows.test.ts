import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { column, type Batch } from '../../src/core/batch.js';
import { interpolateRows } from '../../src/tables/interpolate-rows.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { engines } from '../support/engines.js';
import { planOf } from '../support/graph-plan.js';
import { expectLikeFloat64 } from '../support/like-float64.js';

const WIDTH = 5;
const layout: InputLayout = {
  width: 2 * WIDTH,
  tables: [
    { name: 'price', rows: 5, width: WIDTH },
    { name: 'item', rows: 3, width: WIDTH },
  ],
  columns: [
    { field: 'price', offset: 0, width: WIDTH, kind: 'bag', table: 'price', pooling: 'sum', isBetweenRows: true },
    { field: 'item', offset: WIDTH, width: WIDTH, kind: 'id', table: 'item' },
  ],
};
const PLACES = [0, 1, 1.25, 2.75, 4, 3.5, 4, 0];
const batch: Batch = toBatch({
  rows: PLACES.length,
  ids: new Map([['item', Uint32Array.from(PLACES, (_, b) => b % 3)]]),
  numbers: new Map([['price', Float32Array.from(PLACES)]]),
  labels: new Map([['y', Float32Array.from(PLACES, (_, b) => b % 2)]]),
});

describe('number interpolated between table rows', () => {
  it('is a bag of the two nearest rows, weighted by distance, or of one row', () => {
    const { offsets, ids, weights } = column(interpolateRows(layout)(batch), 'price', 'list');
    const items = PLACES.map((_, b) =>
      Array.from(ids.subarray(offsets[b], offsets[b + 1]), (id, i) => [id, weights[offsets[b]! + i]!]),
    );
    expect(items).toEqual([
      [[0, 1]],
      [[1, 1]],
      [
        [1, 0.75],
        [2, 0.25],
      ],
      [
        [2, 0.25],
        [3, 0.75],
      ],
      [[4, 1]],
      [
        [3, 0.5],
        [4, 0.5],
      ],
      [[4, 1]],
      [[0, 1]],
    ]);
  });

  it('does not change a batch without such fields', () => {
    expect(interpolateRows({ ...layout, columns: layout.columns.slice(1) })(batch)).toBe(batch);
  });
});

describe.each(engines)('interpolated numbers on the $name engine', ({ create }) => {
  it('match double precision in the forward and backward pass, also for split batches', async () => {
    const plan = planOf(layout, (g, input, y) => {
      const out = g.linear(g.activation(g.linear(input, 4, 'a'), 'tanh', 't'), 1, 'out');
      return { predictions: { p: out }, terms: [{ name: 'p', weight: 1, loss: g.squaredError(out, y) }] };
    });
    const whole = (await create()).compile(plan);
    const { weights, optimizer } = whole.state();
    const larger = new Map(
      [...weights].map(([name, { shape, data }]) => [
        name,
        { shape, data: name.startsWith('embeddings.') ? data.map((value) => value * 3000) : data.slice() },
      ]),
    );
    whole.restore({ step: 0, weights: larger, optimizer });
    await expectLikeFloat64(whole, plan, batch, 2e-5);
    const parts = (await create()).compile({ ...plan, batchRows: 3, step: { rows: PLACES.length } });
    parts.restore({ step: 0, weights: larger, optimizer: new Map() });
    const [one, several] = [await whole.trainStep(batch), await parts.trainStep(batch)];
    expect(several.losses.get('p')!.mean).toBeCloseTo(one.losses.get('p')!.mean, 5);
    for (const [name, { data }] of whole.state().weights)
      for (const [i, value] of data.entries())
        expect(parts.state().weights.get(name)!.data[i], name).toBeCloseTo(value, 4);
    whole.dispose();
    parts.dispose();
  });
});
