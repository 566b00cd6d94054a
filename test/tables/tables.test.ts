import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/batch.js';
import { createTables, denseGradient } from '../../src/tables/tables.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { adam } from '../../src/optimizers/adam.js';

// Two fields share a table, one has its own, one is a number.
const layout: InputLayout = {
  width: 7,
  tables: [{ name: 'item', rows: 5, width: 2 }, { name: 'user', rows: 3, width: 2 }],
  columns: [
    { field: 'seen', offset: 0, width: 2, kind: 'id', table: 'item' },
    { field: 'price', offset: 2, width: 1, kind: 'number' },
    { field: 'user', offset: 3, width: 2, kind: 'id', table: 'user' },
    { field: 'item', offset: 5, width: 2, kind: 'id', table: 'item' },
  ],
};
const batch: Batch = {
  rows: 3,
  ids: new Map([['seen', Uint32Array.of(4, 0, 4, 99)], ['user', Uint32Array.of(2, 2, 1, 99)], ['item', Uint32Array.of(0, 3, 4, 99)]]),
  bags: new Map(),
  numbers: new Map([['price', Float32Array.of(10, 20, 30, 99)]]),
  labels: new Map(),
};
const optimizer = adam.build({ learningRate: 0.1, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 });

describe('embedding tables', () => {
  it('look up rows and numbers side by side', () => {
    const tables = createTables(layout, optimizer, true, 1);
    for (const { weights_VD, name } of tables.tables) weights_VD.forEach((_, i) => (weights_VD[i] = i + (name === 'user' ? 100 : 0)));
    const input = new Float32Array(3 * 7);
    tables.lookup(batch, input);
    expect([...input]).toEqual([8, 9, 10, 104, 105, 0, 1, 0, 1, 20, 104, 105, 6, 7, 8, 9, 30, 102, 103, 8, 9]);
  });

  it('sum the gradient of a row over all that looked it up, also with stale slots of batches before', () => {
    const tables = createTables(layout, optimizer, true, 1);
    tables.rowGradients({ ...batch, ids: new Map([...batch.ids].map(([name, ids]) => [name, ids.map((id) => (id === 99 ? 0 : id) % 3)])) }, new Float32Array(21).fill(5));
    const gradient = Float32Array.from({ length: 21 }, (_, i) => i);
    const [item, user] = tables.rowGradients(batch, gradient);
    expect(item!.count).toBe(3);
    expect([...denseGradient(item!)]).toEqual([5 + 7, 6 + 8, 0, 0, 0, 0, 12, 13, 0 + 14 + 19, 1 + 15 + 20]);
    expect([...denseGradient(user!)]).toEqual([0, 0, 17, 18, 3 + 10, 4 + 11]);
  });

  it('update the touched rows alone if lazy, and every row if not', () => {
    for (const isLazy of [true, false]) {
      const tables = createTables(layout, optimizer, isLazy, 1);
      const before = tables.tables.map(({ weights_VD }) => [...weights_VD]);
      tables.update(tables.rowGradients(batch, new Float32Array(21).fill(1)), 1);
      const changed = tables.tables.map(({ weights_VD, rows }, t) =>
        Array.from({ length: rows }, (_, row) => row).filter((row) => weights_VD[row * 2] !== before[t]![row * 2]),
      );
      expect(changed).toEqual(isLazy ? [[0, 3, 4], [1, 2]] : [[0, 1, 2, 3, 4], [0, 1, 2]]);
    }
  });

  it('touch the same rows alike whether lazy or not, in the first step', () => {
    const [lazy, dense] = [true, false].map((isLazy) => {
      const tables = createTables(layout, optimizer, isLazy, 1);
      tables.update(tables.rowGradients(batch, new Float32Array(21).fill(1)), 1);
      return [0, 3, 4].map((row) => tables.tables[0]!.weights_VD[row * 2]);
    });
    expect(lazy).toEqual(dense);
  });

  it('start from N(0, 1e-4²), each from a stream of its own', () => {
    const wide: InputLayout = { width: 10, columns: [], tables: [{ name: 'a', rows: 2000, width: 10 }, { name: 'b', rows: 2000, width: 10 }] };
    const [a, b] = createTables(wide, optimizer, true, 1).tables;
    const mean = a!.weights_VD.reduce((sum, w) => sum + w, 0) / 20000;
    const deviation = Math.sqrt(a!.weights_VD.reduce((sum, w) => sum + (w - mean) ** 2, 0) / 20000);
    expect(Math.abs(mean)).toBeLessThan(3e-6);
    expect(deviation).toBeGreaterThan(0.98e-4);
    expect(deviation).toBeLessThan(1.02e-4);
    expect([...a!.weights_VD.subarray(0, 5)]).not.toEqual([...b!.weights_VD.subarray(0, 5)]);
  });
});
