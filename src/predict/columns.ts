import { didYouMean, quoted, UserError, userError } from '../core/errors.js';
import type { ScoredColumns } from './scored-rows.js';

/** Options for output columns. */
export interface ColumnOptions {
  /** Columns to pass through; `all` for every column. */
  readonly keep: readonly string[];
  /** Prefix of prediction columns. */
  readonly prefix: string;
}

export const KEEP_ALL = 'all';

/**
 * Returns the output columns.
 * @param path of the data
 * @param has columns of the data
 * @param outputs names of the outputs
 * @throws UserError (usage) for absent columns and for duplicate names
 */
export function scoredColumns(
  { keep, prefix }: ColumnOptions,
  path: string,
  has: readonly string[],
  outputs: readonly string[],
): ScoredColumns {
  const keepsAll = keep.includes(KEEP_ALL) && !has.includes(KEEP_ALL);
  const inputColumns = keepsAll ? has : [...new Set(keep)];
  const missing = inputColumns.filter((name) => !has.includes(name));
  if (missing.length > 0) {
    const fix = (name: string): string =>
      didYouMean(name, has) ?? `use one of its ${has.length} columns: ${has.slice(0, 40).join(', ')}`;
    throw new UserError(
      'usage',
      missing.map((name) => ({
        where: path,
        key: `column ${quoted(name)}`,
        message: 'is not in the data',
        fix: fix(name),
      })),
    );
  }
  const predictions = outputs.map((name) => prefix + name);
  const twice = predictions.filter((name) => inputColumns.includes(name));
  if (twice.length > 0) {
    throw userError('usage', {
      where: '--keep',
      key: `column ${quoted(twice[0])}`,
      message: 'is also the name of a prediction',
      fix:
        'rename predictions, for example with --prefix predicted_, or ' +
        (keepsAll ? 'list the columns to keep without it' : 'remove it'),
    });
  }
  return { inputs: inputColumns, predictions };
}
