import { mapsOf, withMaps } from '../support/batches.js';
import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { featuresOf, gradientOf, hostOf, setWeights, weightsOf } from '../support/host.js';

// Two fields share a table, one has a separate table, one is a number.
const layout: InputLayout = {
  width: 7,
  tables: [
    { name: 'item', rows: 5, width: 2 },
    { name: 'user', rows: 3, width: 2 },
  ],
  columns: [
    { field: 'seen', offset: 0, width: 2, kind: 'id', table: 'item' },
    { field: 'price', offset: 2, width: 1, kind: 'number' },
    { field: 'user', offset: 3, width: 2, kind: 'id', table: 'user' },
    { field: 'item', offset: 5, width: 2, kind: 'id', table: 'item' },
  ],
};
const batch: Batch = toBatch({
  rows: 3,
  ids: new Map([
    ['seen', Uint32Array.of(4, 0, 4, 99)],
    ['user', Uint32Array.of(2, 2, 1, 99)],
    ['item', Uint32Array.of(0, 3, 4, 99)],
  ]),
  numbers: new Map([['price', Float32Array.of(10, 20, 30, 99)]]),
});
const FIRST = { area: 0, isFirst: true };

describe('embedding tables', () => {
  it('concatenate looked-up rows and numbers', () => {
    const host = hostOf(layout);
    setWeights(host, (name, data) => data.map((_, i) => i + (name === 'embeddings.user' ? 100 : 0)));
    expect([...featuresOf(host.lookup(batch))]).toEqual([
      8, 9, 10, 104, 105, 0, 1, 0, 1, 20, 104, 105, 6, 7, 8, 9, 30, 102, 103, 8, 9,
    ]);
  });

  it('sum the gradients of all lookups of a row, with stale slots of previous batches', () => {
    const host = hostOf(layout);
    const before = host.lookup(
      withMaps(batch, {
        ids: new Map([...mapsOf(batch).ids].map(([name, ids]) => [name, ids.map((id) => (id === 99 ? 0 : id) % 3)])),
      }),
    );
    host.add(gradientOf(before, new Float32Array(21).fill(5)), new Map(), FIRST);
    const looked = host.lookup(batch);
    host.add(
      gradientOf(
        looked,
        Float32Array.from({ length: 21 }, (_, i) => i),
      ),
      new Map(),
      FIRST,
    );
    const gradients = new Map(host.tableGradients());
    expect([...gradients.get('embeddings.item')!.data]).toEqual([
      5 + 7,
      6 + 8,
      0,
      0,
      0,
      0,
      12,
      13,
      0 + 14 + 19,
      1 + 15 + 20,
    ]);
    expect([...gradients.get('embeddings.user')!.data]).toEqual([0, 0, 17, 18, 3 + 10, 4 + 11]);
  });

  const updated = (lazy: boolean): { before: Map<string, number[]>; after: Map<string, number[]> } => {
    const host = hostOf(layout, { embeddings: { name: 'adam', learningRate: 0.1, weightDecay: 0.01, lazy } });
    const before = weightsOf(host);
    const looked = host.lookup(batch);
    host.add(gradientOf(looked, new Float32Array(21).fill(1)), new Map(), FIRST);
    expect(host.update(1, { dense: 1, embeddings: 1 })).toBe(true);
    return { before, after: weightsOf(host) };
  };

  it('update only touched rows if lazy, and all rows otherwise', () => {
    for (const isLazy of [true, false]) {
      const { before, after } = updated(isLazy);
      const changed = ['embeddings.item', 'embeddings.user'].map((name) => {
        const rows = Array.from({ length: after.get(name)!.length / 2 }, (_, row) => row);
        return rows.filter((row) => after.get(name)![row * 2] !== before.get(name)![row * 2]);
      });
      expect(changed).toEqual(
        isLazy
          ? [
              [0, 3, 4],
              [1, 2],
            ]
          : [
              [0, 1, 2, 3, 4],
              [0, 1, 2],
            ],
      );
    }
  });

  it('update touched rows equally in the first step, lazy or not', () => {
    const [lazy, every] = [true, false].map((isLazy) =>
      [0, 3, 4].map((row) => updated(isLazy).after.get('embeddings.item')![row * 2]),
    );
    expect(lazy).toEqual(every);
  });

  it('are initialized from N(0, 1e-4²), each from a separate stream', () => {
    const weights = weightsOf(
      hostOf({
        width: 10,
        columns: [],
        tables: [
          { name: 'a', rows: 2000, width: 10 },
          { name: 'b', rows: 2000, width: 10 },
        ],
      }),
    );
    const [a, b] = [weights.get('embeddings.a')!, weights.get('embeddings.b')!];
    const mean = a.reduce((sum, w) => sum + w, 0) / 20000;
    const deviation = Math.sqrt(a.reduce((sum, w) => sum + (w - mean) ** 2, 0) / 20000);
    expect(Math.abs(mean)).toBeLessThan(3e-6);
    expect(deviation).toBeGreaterThan(0.98e-4);
    expect(deviation).toBeLessThan(1.02e-4);
    expect(a.slice(0, 5)).not.toEqual(b.slice(0, 5));
  });
});
