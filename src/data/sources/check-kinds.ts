import { userError } from '../../core/errors.js';
import type { CellFile } from '../files/cell-file.js';

/**
 * Refuses files of several kinds as one source: the same value is another text in each.
 * @throws UserError (data)
 */
export function checkKinds(files: readonly Pick<CellFile, 'path' | 'kind'>[]): void {
  const [first, ...others] = files;
  const other = others.find(({ kind }) => kind !== first!.kind);
  if (other !== undefined)
    throw userError('data', {
      where: other.path,
      message: `is ${other.kind}, while ${first!.path} is ${first!.kind}`,
      fix: 'name files of one kind, as with a glob like *.csv, or write one kind as the other',
    });
}
