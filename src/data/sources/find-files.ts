import { readdirSync, realpathSync, type Dirent } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { withSlashes } from '../../io/slashes.js';
import { quoted, UserError, userError } from '../../core/errors.js';
import { CACHE_FOLDER } from '../cache/cache.js';
import { streamHome } from '../cache/stream-store.js';
import { isStream, STDIN } from '../readers/data-stream.js';
import type { Paths } from '../options.js';
import { isDataName } from '../readers/data-kind.js';
import { checkLink, checkMatches, findMatches, globParts, isFolder, isGlob, tryStat } from './glob.js';

/** A file of a source. */
export interface DataFile {
  readonly path: string;
  /** Default cache directory: next to the data; for a stream, the cache of the user. */
  readonly home: string;
  /** Columns that the names of its directories define, with their value in all rows. */
  readonly constants: ReadonlyMap<string, string>;
}

/**
 * Finds the files of a source, in the order of the list, and by path (UTF-16 code units) within a directory or a glob.
 * A directory contains data files or partitions (`ds=2026-11-01`); names that begin with a dot or an underscore are
 * not data.
 * @throws UserError (data) for a path that matches nothing or is not data, and for a file that is listed twice
 */
export function findFiles(paths: Paths): readonly DataFile[] {
  const files = [paths].flat().map(withSlashes).flatMap(listFiles);
  const seen = new Map<string, string>();
  for (const { path } of files) {
    if (path === STDIN && files.length > 1)
      throw userError('data', {
        where: path,
        message: 'is standard input, which cannot be combined with other paths',
        fix: 'name it /dev/stdin, or use it as the only path',
      });
    const real = realPath(path);
    const other = seen.get(real);
    if (other !== undefined)
      throw userError('data', {
        where: path,
        message: other === path ? 'is listed twice' : `is the same file as ${other}`,
        fix: 'list it once; otherwise each of its rows is used twice',
      });
    seen.set(real, path);
  }
  return files;
}

/**
 * Lists the sources that the cache may have entries of: each file, and all files together. Files that do not exist
 * anymore are included.
 */
export function listSources(paths: Paths): readonly Pick<DataFile, 'path' | 'home'>[] {
  try {
    const files = findFiles(paths);
    return files.length > 1 ? [...files, { path: commonFolder(files), home: files[0]!.home }] : files;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [paths].flat().map((path) => fileAt(withSlashes(path), dirname(path)));
  }
}

/** Returns the deepest directory that contains all files; the root of the first if they are on several drives. */
export function commonFolder(files: readonly Pick<DataFile, 'path'>[]): string {
  for (let folder = dirname(files[0]!.path); ; folder = dirname(folder)) {
    const prefix = folder.endsWith('/') ? folder : `${folder}/`;
    if (files.every(({ path }) => path.startsWith(prefix)) || folder === dirname(folder)) return folder;
  }
}

/** Returns whether a path exists, or a glob has matches. */
export function isThere(named: string): boolean {
  const path = withSlashes(named);
  if (path === STDIN || tryStat(path) !== undefined) return true;
  if (!isGlob(path)) return false;
  const { files, folders } = findMatches(path);
  return files.length + folders.length > 0;
}

/** Resolves paths and globs of the user; the results have `/` as separator, as globs require. */
export function absolute(paths: Paths, folder = '.'): Paths {
  const one = (path: string): string => (path === STDIN ? path : withSlashes(resolve(folder, path)));
  return typeof paths === 'string' ? one(paths) : paths.map(one);
}

/** Formats paths for messages. */
export function formatPaths(paths: Paths): string {
  const [first, ...more] = [paths].flat() as [string, ...string[]];
  return more.length === 0 ? first : `${first} and ${more.length} more`;
}

function listFiles(path: string): readonly DataFile[] {
  if (path !== STDIN && isFolder(path)) return listFolder(path).map((file) => fileAt(file, dirname(path)));
  // Opening a missing file reports it, unless the path is a glob.
  if (path === STDIN || tryStat(path) !== undefined || !isGlob(path)) return [fileAt(path, dirname(path))];
  const matches = findMatches(path);
  checkMatches(path, matches);
  const found = matches.files.length > 0 ? matches.files : matches.folders.flatMap(listFolder);
  const { base } = globParts(path);
  if (found.length === 0)
    throw userError('data', { where: path, message: 'matches no file', fix: describeFolder(base) });
  return found.map((file) => fileAt(file, base));
}

function fileAt(path: string, folder: string): DataFile {
  const home = isStream(path) ? streamHome() : join(folder, CACHE_FOLDER);
  return { path, home, constants: parsePartitions(path) };
}

/** Returns the fix for a glob without matches. */
function describeFolder(folder: string): string {
  if (tryStat(folder) === undefined) return `the directory ${folder} does not exist; correct the path`;
  const names = listVisible(folder).map(({ name }) => name);
  return names.length === 0
    ? `the directory ${folder} is empty; correct the path`
    : `the directory ${folder} contains ` +
        `${names.slice(0, 5).map(quoted).join(', ')}${names.length > 5 ? `, and ${names.length - 5} more` : ''}`;
}

/** Returns the data files of a directory, by path. */
function listFolder(folder: string): readonly string[] {
  const found = listParts(folder, true);
  if (found.length === 0)
    throw userError('data', {
      where: folder,
      message:
        'is a directory without a shard manifest.json or CSV, JSON Lines or Parquet files; expected one of ' +
        'these, or a CSV file',
    });
  return found.sort();
}

/** @param isRoot whether it is the directory of the source, which may have no data file */
function listParts(folder: string, isRoot: boolean): string[] {
  const [files, folders, others]: [string[], string[], string[]] = [[], [], []];
  for (const entry of listVisible(folder)) {
    const path = withSlashes(join(folder, entry.name));
    // Only links are followed: a stat of each of thousands of files takes a second.
    if (entry.isSymbolicLink()) checkLink(path);
    const kind = entry.isSymbolicLink() ? tryStat(path) : entry;
    if (kind?.isDirectory() === true && isPartition(entry.name)) folders.push(path);
    else if (kind?.isFile() === true && isDataName(path)) files.push(path);
    else others.push(path);
  }
  const [other] = isRoot && files.length + folders.length === 0 ? [] : others;
  if (other !== undefined)
    throw userError('data', {
      where: other,
      message: `is in the data directory ${folder}, but is not a data file`,
      fix:
        'expected CSV, JSON Lines or Parquet files, or partitions such as ds=2026-11-01; use a glob, for example ' +
        quoted(`${folder}/*.csv`),
    });
  const [mixed] = files.length > 0 ? folders : [];
  if (mixed !== undefined)
    throw userError('data', {
      where: mixed,
      message: `is a partition in the directory ${folder}, which also contains data files`,
      fix: 'separate files and partitions, or use a glob',
    });
  return [...files, ...folders.flatMap((each) => listParts(each, false))];
}

function listVisible(folder: string): readonly Dirent[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !/^[._]/.test(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

/** Hive's name of a missing partition value. */
const MISSING_PARTITION = '__HIVE_DEFAULT_PARTITION__';

function isPartition(name: string): boolean {
  return /^[^=]+=/.test(name);
}

/**
 * Parses the Hive partitions of a path: rows of `ds=2026-11-01/part-0.parquet` have `2026-11-01` in column `ds`.
 * Percent encoding is decoded; a missing value is an empty string.
 */
function parsePartitions(path: string): ReadonlyMap<string, string> {
  const folders = path.split('/').slice(0, -1).filter(isPartition);
  return new Map(
    folders.map((folder) => {
      const [name, ...rest] = folder.split('=');
      const value = decode(rest.join('='));
      return [decode(name!), value === MISSING_PARTITION ? '' : value];
    }),
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A % that is not followed by two hexadecimal digits.
    return text;
  }
}
