import { rethrowLimit, userError } from '../../../core/errors.js';
import { firstBytes } from '../byte-chunks.js';

/** How Parquet files begin, and those whose footer is encrypted. */
const MAGIC = ['PAR1', 'PARE'];
const NAME = /\.(parquet|parq|pqt)$/i;

/**
 * Whether a file is Parquet by its first bytes, whatever its name.
 * @throws UserError (data) for one that is called Parquet and is none
 */
export function isParquet(path: string): boolean {
  const start = startOf(path);
  if (MAGIC.includes(start.slice(0, 4))) return true;
  if (!NAME.test(path)) return false;
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

/** The first bytes of a file; none where it cannot be read, which whoever opens it tells. */
function startOf(path: string): string {
  try {
    return firstBytes(path, 32).toString('latin1');
  } catch (error) {
    rethrowLimit(path, error);
    return '';
  }
}
