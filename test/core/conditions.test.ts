import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { conditionColumns, conditionSchema, type Condition } from '../../src/core/conditions.js';
import { readDate } from '../../src/text/dates.js';
import { compileCondition } from '../../src/data/rows/compile-condition.js';

/** What a condition says of rows that have one cell, or several. */
function judged(condition: Condition, rows: readonly (string | readonly string[])[]): readonly (boolean | undefined)[] {
  const { holds } = compileCondition(conditionSchema.parse(condition));
  return rows.map((cells) => holds(typeof cells === 'string' ? [cells] : cells));
}

describe('a condition', () => {
  it('compares numbers by value, in any notation', () => {
    expect(
      judged({ column: 'ms', above: 7000 }, ['6999', '7000', '7000.5', '1e4', '-8000', '+7001', '007001']),
    ).toEqual([false, false, true, true, false, true, true]);
    expect(judged({ column: 'ms', atLeast: 7000 }, ['6999', '7000.0', '7001'])).toEqual([false, true, true]);
    expect(judged({ column: 'ms', below: 0.5 }, ['.4', '0.5', '10'])).toEqual([true, false, false]);
    expect(judged({ column: 'ms', atMost: -1 }, ['-1', '-0.5', '-10'])).toEqual([true, false, true]);
  });

  it('holds if all comparisons of its column hold', () => {
    expect(judged({ column: 'age', atLeast: 18, below: 65 }, ['17', '18', '64.9', '65'])).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(judged({ column: 'age', oneOf: [1, 2, 3], above: 1 }, ['1', '2', '4'])).toEqual([false, true, false]);
  });

  it('compares strings exactly and numbers by value', () => {
    expect(judged({ column: 'income', equals: '>50K' }, ['>50K', '>50k', ' >50K', '<=50K'])).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(judged({ column: 'rating', equals: 1 }, ['1', '1.0', '01', '1e0', 'one', '2', '0x1'])).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(judged({ column: 'rating', equals: '1' }, ['1', '1.0'])).toEqual([true, false]);
    expect(judged({ column: 'rating', oneOf: [4, '5'] }, ['4.0', '5', '5.0', '3'])).toEqual([true, true, false, false]);
    expect(judged({ column: 'id', equals: 9_007_199_254_740_991 }, ['9007199254740991', '9007199254740992'])).toEqual([
      true,
      false,
    ]);
  });

  it('accepts common spellings of true and false', () => {
    expect(judged({ column: 'paid', equals: true }, ['true', 'True', '1', 'TRUE', 'false', '0'])).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(judged({ column: 'paid', equals: false }, ['false', '0', 'TRUE'])).toEqual([true, true, false]);
    expect(judged({ column: 'paid', oneOf: [true, 'yes'] }, ['1', 'yes', 'no'])).toEqual([true, true, false]);
  });

  it('rejects values that are neither true nor false if nothing else is compared', () => {
    for (const condition of [
      { column: 'paid', equals: true },
      { column: 'paid', equals: false },
      { column: 'paid', oneOf: [true, false] },
    ]) {
      expect(() => judged(condition, ['yes'])).toThrow(
        /expected true or false, or 1 or 0 to compare with (true|false)/,
      );
      expect(judged(condition, [''])).toEqual([undefined]);
    }
  });

  it('compares dates by time, in UTC by default, and a day as a whole', () => {
    const cells = [
      '2026-10-31',
      '2026-11-01',
      '2026-11-01 00:00:00',
      '2026-11-01T23:59:59.999Z',
      '2026-11-02',
      '2026-11-02T00:30:00+02:00',
    ];
    expect(judged({ column: 'at', atLeast: '2026-11-01' }, cells)).toEqual([false, true, true, true, true, true]);
    expect(judged({ column: 'at', above: '2026-11-01' }, cells)).toEqual([false, false, false, false, true, false]);
    expect(judged({ column: 'at', atMost: '2026-11-01' }, cells)).toEqual([true, true, true, true, false, true]);
    expect(judged({ column: 'at', below: '2026-11-01' }, cells)).toEqual([true, false, false, false, false, false]);
    expect(
      judged({ column: 'at', above: '2026-11-01T12:00' }, [
        '2026-11-01 12:00',
        '2026-11-01 12:00:00.000001',
        '2026-11-01T11:59:59+00',
      ]),
    ).toEqual([false, true, false]);
  });

  it('is undecided if a missing value could change the result', () => {
    expect(judged({ column: 'ms', above: 7000 }, ['', '8000'])).toEqual([undefined, true]);
    expect(judged({ column: 'ms', equals: '' }, [''])).toEqual([undefined]);
    expect(judged({ not: { column: 'ms', above: 7000 } }, ['', '8000', '1'])).toEqual([undefined, false, true]);
    const both = [
      { column: 'a', equals: 1 },
      { column: 'b', equals: 1 },
    ];
    const rows = [
      ['1', ''],
      ['0', ''],
      ['', ''],
      ['1', '1'],
      ['0', '0'],
    ];
    expect(judged({ all: both }, rows)).toEqual([undefined, false, undefined, true, false]);
    expect(judged({ any: both }, rows)).toEqual([true, undefined, undefined, true, false]);
    expect(judged({ column: 'a', isNull: true }, ['', '0'])).toEqual([true, false]);
    expect(judged({ column: 'a', isNull: false }, ['', '0'])).toEqual([false, true]);
  });

  it('is decided by the decisive comparisons in any order, even next to an invalid value', () => {
    const [small, large] = [
      { column: 'a', below: 1 },
      { column: 'b', above: 1 },
    ];
    for (const order of [
      [small, large],
      [large, small],
    ]) {
      const { columns, holds } = compileCondition(conditionSchema.parse({ all: order }));
      const of = (cells: Readonly<Record<string, string>>) => holds(columns.map((column) => cells[column]!));
      expect(of({ a: '2', b: 'fast' })).toBe(false);
      for (const a of ['0', '']) expect(() => of({ a, b: 'fast' })).toThrow("expected a number in column 'b'");
      const any = compileCondition(conditionSchema.parse({ any: order }));
      expect(any.holds(any.columns.map((column) => (column === 'a' ? '0' : 'fast')))).toBe(true);
    }
  });

  it('lists each of its columns once, at any depth', () => {
    const condition = conditionSchema.parse({
      any: [{ column: 'a', above: 1 }, { all: [{ column: 101, equals: 'x' }, { not: { column: 'a', below: 0 } }] }],
    });
    expect(conditionColumns(condition)).toEqual(['a', '101']);
    expect(compileCondition(condition).holds(['0.5', 'x'])).toBe(true);
    expect(compileCondition(condition).holds(['0.5', 'y'])).toBe(false);
    expect(() => compileCondition(condition).holds(['fast', 'y'])).toThrow(
      "expected a number in column 'a' to compare with above: 1",
    );
  });

  it.each([
    [{ column: 'ms', above: 7000 }, 'fast', 'a number to compare with above: 7000'],
    [
      { column: 'at', atLeast: '2026-11-01' },
      '20261101',
      'a date such as 2026-11-01 or 2026-11-01T18:30 to compare with atLeast: 2026-11-01',
    ],
    [{ column: 'at', atLeast: '2026-11-01' }, '2026-02-30', 'a date'],
  ])('refuses a cell that cannot be compared: %j of %s', (condition, cell, expected) => {
    expect(() => judged(condition, [cell])).toThrow(expected);
  });

  it.each([
    [{}, 'expected one of column, all, any or not, found none'],
    [{ column: 'a', any: [{ column: 'b', equals: 1 }], equals: 1 }, 'found column and any'],
    [{ column: 'a' }, 'the column has no comparison; add one of'],
    [{ all: [{ column: 'a', equals: 1 }], above: 3 }, 'above cannot be combined with all; use it with column'],
    [{ column: 'a', isNull: true, equals: 1 }, 'isNull cannot be combined with other comparisons'],
    [{ column: 'a', above: 'soon' }, 'expected a number, or a date such as 2026-11-01'],
    [{ column: 'a', above: '7000' }, 'write a number without quotes'],
    [{ column: 'a', above: '2026-13-01' }, 'expected a number, or a date'],
    [{ column: 'a', equals: 9_007_199_254_740_993 }, 'write it as a quoted string'],
    [{ column: 'a', oneOf: [] }, '>=1 items'],
    [{ column: 'a', equals: null }, 'expected a string, a number, true or false'],
    [{ any: [{ column: 'a' }] }, 'the column has no comparison; add one of'],
    [{ not: { colum: 'a', equals: 1 } }, 'colum'],
  ])('is refused where it says nothing: %j', (condition, message) => {
    expect(conditionSchema.safeParse(condition).error?.message).toContain(message);
  });

  it('has a JSON Schema', () => {
    expect(JSON.stringify(z.toJSONSchema(conditionSchema, { io: 'input' }))).toContain('atLeast');
  });
});

describe('a date', () => {
  it('is a day or a moment', () => {
    expect(readDate('1970-01-02')).toEqual({ begin: 86_400_000, end: 172_800_000 });
    expect(readDate('1970-01-01T00:00:01.5Z')).toEqual({ begin: 1500, end: 1500 });
    expect(readDate('1970-01-01 02:00:00+0200')?.begin).toBe(0);
    expect(readDate('1969-12-31T22:00:00-02:00')?.begin).toBe(0);
    expect(readDate('2024-02-29')?.begin).toBe(Date.UTC(2024, 1, 29));
  });

  it.each([
    '2023-02-29',
    '2026-11-31',
    '2026-1-1',
    '2026-11-01T24:00',
    '2026-11-01T',
    '26-11-01',
    '2026-11-01 10',
    'today',
    '',
  ])('is not %j', (text) => {
    expect(readDate(text)).toBeUndefined();
  });
});
