import { userError } from '../../core/errors.js';
import type { CellFile } from '../readers/cell-file.js';

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
      message: `is ${other.kind}, but ${first!.path} is ${first!.kind}`,
      fix: 'use files of one format, for example with a glob such as *.csv',
    });
}
