import { userError } from '../../core/errors.js';
import type { CellFile } from '../readers/cell-file.js';

/**
 * Checks that the files of a source have the same kind, since the text of a value depends on it.
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
