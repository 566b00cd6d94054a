import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RowFinder } from '../../src/engines/cpu/row-finder.js';

const table = (rows: number) => ({ name: 'shop', looked: { at: 0, stride: 1, rows } });
const ids = fc
  .array(fc.oneof(fc.nat(20), fc.nat(4_000_000_000)), { minLength: 6, maxLength: 60 })
  .map((all) => Uint32Array.from(all));

describe('the rows of a sharded table that a step looks up', () => {
  it('are numbered by owner, independent of previous steps', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.tuple(ids, ids, fc.nat(5)), { minLength: 1, maxLength: 4 }),
        (processes, steps) => {
          const finder = new RowFinder(table(1000), processes);
          for (const [single, items, cut] of steps) {
            // A bag per row: none in the first, then up to `cut` items in the second, and the others in the third.
            const offsets = Uint32Array.of(0, 0, cut, items.length);
            const parts = [
              { begin: 0, rows: 1 },
              { begin: 1, rows: 2 },
            ];
            finder.find([{ ids: single }, { ids: items, offsets }], parts);
            const rows = Array.from({ length: processes }, (_, r) =>
              [...finder.rowsOf(r)].map((row) => row * processes + r),
            ).flat();
            const wanted = [...single.subarray(0, 3), ...items];
            expect(new Set(rows).size).toBe(rows.length);
            expect(new Set(rows)).toEqual(new Set(wanted));
            expect(finder.count).toBe(rows.length);
            const looked = [finder.looked(0, 0), finder.looked(0, 1), finder.looked(1, 0), finder.looked(1, 1)].flatMap(
              (numbers) => [...numbers],
            );
            expect(looked.map((number) => rows[number])).toEqual(wanted);
            for (let r = 0; r < processes; r++)
              expect(rows.slice(finder.begins[r], finder.begins[r]! + finder.counts[r]!)).toEqual(
                rows.filter((row) => row % processes === r),
              );
          }
        },
      ),
    );
  });

  it('are limited by the capacity of their list', () => {
    const finder = new RowFinder(table(2), 2);
    expect(() => finder.find([{ ids: Uint32Array.of(7, 8, 7, 9) }], [{ begin: 0, rows: 4 }])).toThrow(
      "more rows of 'shop' than the capacity of its list",
    );
    finder.find([{ ids: Uint32Array.of(9, 8, 9, 8) }], [{ begin: 0, rows: 4 }]);
    expect([...finder.looked(0, 0)]).toEqual([1, 0, 1, 0]);
  });
});
