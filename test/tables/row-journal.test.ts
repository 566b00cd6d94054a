import { toBatch } from '../support/batches.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { createRowJournal } from '../../src/tables/row-journal.js';

const id = { kind: 'id', offset: 0, width: 1 } as const;
const layout: InputLayout = {
  width: 6,
  tables: [
    { name: 'item', rows: 70, width: 1 },
    { name: 'user', rows: 32, width: 1 },
    { name: 'wide user', rows: 32, width: 1, idsOf: 'user', isWide: true },
    { name: 'age', rows: 9, width: 1 },
    { name: 'frozen', rows: 5, width: 1, isFrozen: true },
    { name: 'unread', rows: 5, width: 1 },
  ],
  columns: [
    { field: 'item', table: 'item', ...id },
    { field: 'user', table: 'user', ...id },
    { field: 'user', table: 'wide user', ...id, isWide: true },
    { field: 'frozen', table: 'frozen', ...id },
    { ...id, field: 'seen', table: 'item', kind: 'bag', pooling: 'mean' },
    { ...id, field: 'age', table: 'age', kind: 'bag', pooling: 'sum', isBetweenRows: true },
    { field: 'price', kind: 'number', offset: 5, width: 1 },
  ],
  sequences: [
    {
      name: 'history',
      maxItems: 3,
      fields: [
        { field: 'bought', kind: 'id', table: 'item', width: 1 },
        { field: 'when', kind: 'number', width: 1 },
      ],
      encoders: [],
    },
  ],
};
const NO_ROWS = { item: [], user: [], 'wide user': [], age: [], frozen: [], unread: [] };

/** A batch of two rows; its arrays have stale elements after them. */
const batch: Batch = toBatch({
  rows: 2,
  ids: new Map([
    ['item', Uint32Array.of(64, 0, 13)],
    ['user', Uint32Array.of(31, 31, 7)],
    ['frozen', Uint32Array.of(1, 2, 3)],
  ]),
  bags: new Map([
    [
      'seen',
      { offsets: Uint32Array.of(0, 2, 3, 4), ids: Uint32Array.of(69, 0, 33, 14), weights: new Float32Array(4).fill(1) },
    ],
    ['bought', { offsets: Uint32Array.of(0, 0, 1), ids: Uint32Array.of(5, 15), weights: Float32Array.of(0, 1) }],
  ]),
  numbers: new Map([
    ['age', Float32Array.of(3.25, 8, 5)],
    ['price', Float32Array.of(1, 2, 3)],
  ]),
});
const rowsOf = (journal: ReturnType<typeof createRowJournal>): object =>
  Object.fromEntries(Array.from(journal.rows(), ([table, rows]) => [table, [...rows]]));

describe('a journal of rows', () => {
  it('has the rows of ids, bags, sequences and interpolated numbers, but none of frozen tables', () => {
    const journal = createRowJournal(layout);
    expect(rowsOf(journal)).toEqual(NO_ROWS);
    journal.mark(batch);
    expect(rowsOf(journal)).toEqual({
      ...NO_ROWS,
      item: [0, 5, 33, 64, 69],
      user: [31],
      'wide user': [31],
      age: [3, 4, 8],
    });
    journal.clear();
    expect(rowsOf(journal)).toEqual(NO_ROWS);
  });

  it('has the union of all batches, in ascending order', () => {
    const ids = fc.array(fc.array(fc.nat(99), { minLength: 1, maxLength: 40 }), { maxLength: 5 });
    fc.assert(
      fc.property(ids, (batches) => {
        const journal = createRowJournal({
          width: 1,
          tables: [{ name: 't', rows: 100, width: 1 }],
          columns: [{ field: 't', table: 't', ...id }],
        });
        for (const each of batches)
          journal.mark(toBatch({ rows: each.length, ids: new Map([['t', Uint32Array.from(each)]]) }));
        expect([...journal.rows().get('t')!]).toEqual([...new Set(batches.flat())].sort((a, b) => a - b));
      }),
    );
  });
});
