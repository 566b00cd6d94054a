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
});
