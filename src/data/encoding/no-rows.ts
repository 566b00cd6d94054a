import { userError } from '../../core/errors.js';
import type { LeftOut, RejectPolicy } from '../rows/rejects.js';
import type { RowFilter } from '../rows/row-filter.js';

/**
 * Creates the error for a data set without a valid row.
 * @param leftOut excluded rows
 * @param filter of the rows
 * @param reasons why rows are invalid, with their counts
 */
export function noRows(
  paths: readonly string[],
  leftOut: LeftOut = new Map(),
  { part, split, where: condition }: RowFilter = {},
  reasons: RejectPolicy['reasons'] = new Map(),
): Error {
  const [first, ...more] = paths;
  const where = `${first}${more.length > 0 ? ` and ${more.length} more` : ''}`;
  if (leftOut.size === 0) {
    const [most] = [...reasons].sort(([, a], [, b]) => b - a);
    const why = most === undefined ? '' : `; most common reason: ${most[0]} (${most[1]} rows)`;
    return userError('data', { where, message: `expected at least one usable row after the header, found none${why}` });
  }
  const causes = [...leftOut].map(([reason, rows]) => `${reason} (${rows})`).join(', ');
  const rows = part === undefined ? 'row' : `row for ${part}`;
  const message = `expected at least one ${rows}, found none; all are excluded: ${causes}`;
  const sections = [...(split === undefined ? [] : ['data.split']), ...(condition === undefined ? [] : ['data.where'])];
  return userError('data', {
    where,
    message,
    ...(sections.length > 0 && { fix: `check ${sections.join(' and ')}` }),
  });
}
