import { userError } from '../../../core/errors.js';

/** First bytes of Parquet files, and of those with an encrypted footer. */
const MAGIC = ['PAR1', 'PARE'];
const NAME = /\.(parquet|parq|pqt)$/i;

/** Returns whether the first bytes of a file are the first bytes of Parquet. */
export function beginsAsParquet(head: Buffer): boolean {
  return MAGIC.includes(head.toString('latin1', 0, 4));
}

/**
 * Returns whether a file is Parquet, whatever its name.
 * @param head its first bytes
 * @throws UserError (data) for another file that is named like Parquet
 */
export function isParquet(path: string, head: Buffer): boolean {
  if (beginsAsParquet(head)) return true;
  if (!NAME.test(path)) return false;
  const start = head.toString('latin1', 0, 32);
  throw userError('data', {
    where: path,
    message:
      start === ''
        ? 'is empty; expected Parquet, as in its name'
        : 'is named like a Parquet file, but does not begin with PAR1',
    fix: start.startsWith('version https://git-lfs')
      ? 'it is a Git LFS pointer: run git lfs pull'
      : 'copy the file again; if it is a CSV, rename it',
  });
}
