import { describe, expect, it } from 'vitest';
import { inspectColumn } from '../../src/init/column-kind.js';
import { findSequences } from '../../src/init/find-sequences.js';
import { findSharedTables } from '../../src/init/shared-tables.js';

/** Inspects columns of rows. */
function find(rows: readonly Readonly<Record<string, string>>[]) {
  const columns = Object.keys(rows[0]!).map((name) => {
    const values = [...new Set(rows.map((row) => row[name]!))];
    const codes = Uint32Array.from(rows, (row) => values.indexOf(row[name]!));
    const counts = values.map((_, v) => codes.filter((code) => code === v).length);
    return inspectColumn({ name, values, counts, codes });
  });
  return findSequences(columns, findSharedTables(columns)).map(({ separator, lists, isNewestFirst }) => ({
    separator,
    isNewestFirst,
    lists: lists.map(({ column, items }) => ({ name: column.column.name, ...items })),
  }));
}

const ROWS = Array.from({ length: 60 }, (_, r) => {
  const items = Array.from({ length: r % 5 }, (_, i) => 1 + ((r + 7 * i) % 20));
  const join = (values: readonly unknown[], separator = '|'): string => values.join(separator);
  return {
    item_id: String(1 + (r % 20)),
    time: String(1_790_000_000 + r),
    hist: join(items),
    paid: join(items.map((item) => (item % 7) + 0.5)),
    at: join(items.map((_, i) => 1_780_000_000 + i)),
    back: join(items.map((_, i) => 1_780_000_000 - i)),
    weighted: join(items.map((item) => `${item}:0.5`)),
    other: join([...items, 3]),
  };
});

describe('sequences of init', () => {
  it('are unweighted lists of equal lengths, one of them with the values of an id', () => {
    const rows = ROWS.map(({ item_id, time, hist, paid, at, weighted, other }) => ({
      item_id,
      time,
      hist,
      paid,
      at,
      weighted,
      other,
    }));
    expect(find(rows)).toEqual([
      {
        separator: '|',
        isNewestFirst: false,
        lists: [
          { name: 'hist', is: 'id', target: 'item_id' },
          { name: 'paid', is: 'number', areNegative: false },
          { name: 'at', is: 'time', until: 'time' },
        ],
      },
      { separator: '|', isNewestFirst: false, lists: [{ name: 'other', is: 'id', target: 'item_id' }] },
    ]);
  });

  it('have the newest item first if times fall', () => {
    expect(find(ROWS.map(({ item_id, time, hist, back }) => ({ item_id, time, hist, back })))[0]).toMatchObject({
      isNewestFirst: true,
      lists: [{ name: 'hist' }, { name: 'back', is: 'time', until: 'time' }],
    });
  });

  it('require an id with the values of a list', () => {
    expect(find(ROWS.map(({ time, hist, paid }) => ({ time, hist, paid })))).toEqual([]);
  });
});
