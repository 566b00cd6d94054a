import { UserError } from '../errors.js';
import { SPLITS, type DataOptions, type Split } from './options.js';
import { columnsOf, type RowFormat } from './row-format.js';
import { openRows, type RowSource } from './rows.js';

/** The opened files of a config; train is always there. */
export type Splits = Partial<Record<Split, RowSource>> & { readonly train: RowSource };

/**
 * Opens all files of a config and finds their columns, before anything is trained.
 * @throws UserError (data) with the problems of all files
 */
export async function openSplits(data: DataOptions, format: RowFormat): Promise<Splits> {
  const problems = [];
  const opened: Partial<Record<Split, RowSource>> = {};
  for (const split of SPLITS) {
    const path = data[split];
    if (path === undefined) continue;
    try {
      opened[split] = await openRows(path, columnsOf(format));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(...error.problems.map((problem) => ({ key: `data.${split}`, ...problem })));
    }
  }
  if (problems.length > 0) throw new UserError('data', problems);
  return opened as Splits;
}
