import type { CellRule } from './cell-rule.js';
import { CELL_SEPARATOR, type EncodedField } from './feature.js';
import { textReader } from './vocabulary/string-pool.js';

/** Name of a table row. */
export interface RowName {
  readonly name: string;
  /** Kind of row: out of vocabulary, missing value, or a value of the given kind. */
  readonly means: 'unknown' | 'missing' | CellName;
}

type CellName = 'id' | 'token' | 'cells' | 'bucket' | 'range' | 'knot' | 'time';

/**
 * Returns the names of the rows of a field's table: ids, strings, JSON lists for crosses, bucket numbers, ranges as
 * [from, to), or knots. Row 0 of ids is both id 0 and out of vocabulary. Rows of a field without a rule, which share
 * ids, have numbers.
 */
export function rowNames({ rule }: Pick<EncodedField, 'rule'>): (row: number) => RowName {
  if (rule === undefined) return (row) => ({ name: String(row), means: 'bucket' });
  const nameOf = cellNames(rule);
  const hasUnknown = rule.kind !== 'id' || rule.beyond === 'unknown' || rule.empty === 0;
  return (row) => {
    if (row === 0 && hasUnknown) return { name: rule.kind === 'id' ? '0' : 'unknown', means: 'unknown' };
    if (row > 0 && row === rule.empty) return { name: 'missing', means: 'missing' };
    return nameOf(row);
  };
}

function cellNames(rule: CellRule): (row: number) => RowName {
  switch (rule.kind) {
    case 'id':
      return (row) => ({ name: String(row), means: 'id' });
    case 'text': {
      const textAt = textReader(rule.texts);
      return (row) =>
        rule.cells === 1
          ? { name: textAt(row - 1), means: 'token' }
          : { name: JSON.stringify(textAt(row - 1).split(CELL_SEPARATOR)), means: 'cells' };
    }
    case 'hashed':
      return (row) => ({ name: String(row), means: 'bucket' });
    case 'range': {
      const end = (i: number): number => rule.boundaries[i] ?? Infinity;
      const from = (row: number): string => (row === 1 ? '(-inf' : `[${end(row - 2)}`);
      const to = (row: number): string | number => (row === rule.boundaries.length + 1 ? 'inf' : end(row - 1));
      return (row) => ({ name: `${from(row)}, ${to(row)})`, means: 'range' });
    }
    case 'between':
      return (row) => ({ name: String(rule.knots[row - 1]), means: 'knot' });
    case 'time':
      return (row) => ({ name: rule.values[row - 1]!, means: 'time' });
    case 'number':
    case 'constant':
      throw new Error('a number has no table');
  }
}
