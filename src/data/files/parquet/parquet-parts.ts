import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { userError } from '../../../errors.js';
import { firstBytes } from '../byte-chunks.js';

/** How Parquet files begin, and those whose footer is encrypted. */
const MAGIC = ['PAR1', 'PARE'];
const NAME = /\.(parquet|parq|pqt)$/i;

/**
 * The files of a Parquet source: the path itself as '', or the names of the parts in a folder as Spark writes it, which may be
 * links. What is hidden there, or begins with _, is not data. None where it is something else.
 * @throws UserError (data) for a file that is called Parquet and is none, and where something else stands among parts
 */
export async function parquetParts(path: string): Promise<readonly string[]> {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isFile() === true) return (await isParquet(path)) ? [''] : [];
  if (stats?.isDirectory() !== true) return [];
  const names = (await readdir(path)).filter((name) => !/^[._]/.test(name)).sort();
  const parts: string[] = [];
  let other: string | undefined;
  for (const name of names) {
    const file = join(path, name);
    const isPart = (await stat(file).catch(() => undefined))?.isFile() === true && (await isParquet(file));
    if (isPart) parts.push(name);
    else other ??= name;
  }
  if (parts.length > 0 && other !== undefined) {
    throw userError('data', { where: join(path, other), message: 'stands among the parts of a Parquet folder, and is not one of them', fix: 'write the parts into one folder, without partitions, and nothing else' });
  }
  return parts;
}

/** Whether a file is Parquet by its first bytes, whatever its name. */
async function isParquet(path: string): Promise<boolean> {
  const start = (await firstBytes(path, 32).catch(() => Buffer.alloc(0))).toString('latin1');
  if (MAGIC.includes(start.slice(0, 4))) return true;
  if (!NAME.test(path)) return false;
  throw userError('data', {
    where: path,
    message: start === '' ? 'is empty; expected Parquet, as its name says' : 'is no Parquet file, as its name says: it does not begin with PAR1',
    fix: start.startsWith('version https://git-lfs') ? 'it stands for a file in Git LFS: fetch that with git lfs pull' : 'was it copied whole? A CSV needs another name',
  });
}
