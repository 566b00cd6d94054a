import { describe, expect, it } from 'vitest';
import { inspectColumn } from '../../src/init/column-kind.js';

/** A column with one row per value. */
const columnOf = (name: string, values: readonly string[]) => ({
  name,
  values,
  counts: values.map(() => 1),
  codes: Uint32Array.from(values, (_, i) => i),
});

describe('a column that mtl init inspects', () => {
  it('is numeric, whatever its markers of missing values', () => {
    const prices = Array.from({ length: 90 }, (_, i) => `${i},${(i * 37) % 100}`);
    const { kind, blankWords, blanks } = inspectColumn(
      columnOf('Price EUR', [...prices, 'n/a', 'N/A', 'Null', '', '#N/A']),
    );
    expect(kind).toMatchObject({ is: 'number', hasComma: true });
    expect(blankWords).toEqual(['n/a', 'N/A', 'Null', '#N/A']);
    expect(blanks).toBeCloseTo(5 / 95, 12);
  });

  it('is a feature if it has one value in some rows and a marker of missing values in others', () => {
    expect(inspectColumn(columnOf('airbag', ['airbag', 'none']))).toMatchObject({
      kind: { is: 'id' },
      blanks: 0.5,
      blankWords: ['none'],
    });
    expect(inspectColumn(columnOf('airbag', ['airbag'])).kind).toEqual({ is: 'constant' });
  });

  it('is numeric if it has up to 128 integers and no typical name of ids', () => {
    const upTo = (count: number) => Array.from({ length: count }, (_, i) => String(i));
    expect(inspectColumn(columnOf('ageOfOccupant', upTo(90))).kind).toMatchObject({ is: 'number' });
    expect(inspectColumn(columnOf('city', upTo(90))).kind).toEqual({ is: 'key' });
  });
});
