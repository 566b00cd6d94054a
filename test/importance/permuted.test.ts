import { expect, it } from 'vitest';
import { createRowBlock, wordColumn, type WordBlockColumn } from '../../src/chunks/row-block.js';
import { createPermuter } from '../../src/importance/permuted.js';

it('permutes ids, numbers and vectors of the given fields only, in every batch', () => {
  const rows = 11;
  const columns: readonly WordBlockColumn[] = [
    { name: 'item', kind: 'id' },
    { name: 'price', kind: 'number' },
    { name: 'text', kind: 'vector', width: 3 },
    { name: 'image', kind: 'vector', width: 2 },
  ];
  const block = createRowBlock(columns, rows);
  block.rows = rows;
  for (const each of columns) {
    const { data, width } = wordColumn(block, each);
    for (let i = 0; i < data.length; i++) data[i] = 100 * Math.floor(i / width) + (i % width);
  }
  const order = Uint32Array.from({ length: rows }, (_, r) => (3 * r + 2) % rows);
  const permuter = createPermuter(block, 4);
  const valuesOf = (fields: readonly string[]): Record<string, number[]> => {
    const found = Object.fromEntries(columns.map(({ name }) => [name, [] as number[]]));
    for (const batch of permuter.permuted(fields, order))
      for (const each of columns) {
        const { data, width } = wordColumn(batch, each);
        found[each.name]!.push(...data.subarray(0, batch.rows * width));
      }
    return found;
  };
  const whole = valuesOf([]);
  for (const { name, width = 1 } of columns) {
    const moved = [...order].flatMap((row) => whole[name]!.slice(row * width, (row + 1) * width));
    expect(moved).not.toEqual(whole[name]);
    expect(valuesOf([name])).toEqual({ ...whole, [name]: moved });
  }
});
