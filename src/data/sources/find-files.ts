import { readdirSync, realpathSync, type Dirent } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { quoted, UserError, userError } from '../../core/errors.js';
import { CACHE_FOLDER } from '../cache/cache.js';
import { isDataName } from '../readers/data-kind.js';
import type { Paths } from '../options.js';
import { byCharacters, checkLink, checkMatches, findMatches, globParts, isGlob, statOf } from './glob.js';
import { isPartition, partitionsOf } from './partitions.js';

/** A file of a source. */
export interface DataFile {
  readonly path: string;
  /** The folder beside the data that keeps what was read of it. */
  readonly home: string;
  /** Columns that are the same in all of its rows, as the names of its folders say. */
  readonly constants: ReadonlyMap<string, string>;
}

/**
 * The files that paths stand for, in their order: that of the list, and within a folder or a glob that of their paths,
 * character by character. A
 * folder stands for the files in it, or for those of its partitions (`ds=2026-11-01`); what begins with a dot or an
 * underscore is not data there.
 * @throws UserError (data) for what matches nothing, is no data, or is there twice
 */
export function findFiles(paths: Paths): readonly DataFile[] {
  const files = [paths].flat().flatMap(filesOf);
  const seen = new Map<string, string>();
  for (const { path } of files) {
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
 * All that the cache may keep something of: the files that paths stand for, and all of them together; also where they
 * are gone.
 */
export function sourcesOf(paths: Paths): readonly Pick<DataFile, 'path' | 'home'>[] {
  try {
    const files = findFiles(paths);
    return files.length > 1 ? [...files, { path: commonFolder(files), home: files[0]!.home }] : files;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [paths].flat().map((path) => fileAt(path, dirname(path)));
  }
}

/** The folder that all files lie below. */
export function commonFolder(files: readonly Pick<DataFile, 'path'>[]): string {
  let folder = dirname(files[0]!.path);
  while (!files.every(({ path }) => path.startsWith(folder === '/' ? '/' : `${folder}/`))) folder = dirname(folder);
  return folder;
}

/** Whether anything is there that a path or a glob stands for. */
export function isThere(path: string): boolean {
  if (statOf(path) !== undefined) return true;
  if (!isGlob(path)) return false;
  const { files, folders } = findMatches(path);
  return files.length + folders.length > 0;
}

/** A path of the user's as an absolute one; a glob stays one. */
export function absolute(paths: Paths, folder = '.'): Paths {
  const one = (path: string): string => (path === STDIN ? path : resolve(folder, path));
  return typeof paths === 'string' ? one(paths) : paths.map(one);
}

/** Paths as people see them. */
export function namesOf(paths: Paths): string {
  const [first, ...more] = [paths].flat() as [string, ...string[]];
  return more.length === 0 ? first : `${first} and ${more.length} more`;
}

/** Standard input. */
const STDIN = '-';

function filesOf(path: string): readonly DataFile[] {
  const stats = path === STDIN ? undefined : statOf(path);
  if (stats?.isDirectory() === true) return folderFiles(path).map((file) => fileAt(file, dirname(path)));
  // What is not there is told by whoever opens it, unless it is meant to match something.
  if (stats !== undefined || path === STDIN || !isGlob(path)) return [fileAt(path, dirname(path))];
  const matches = findMatches(path);
  checkMatches(path, matches);
  const found = matches.files.length > 0 ? matches.files : matches.folders.flatMap(folderFiles);
  if (found.length === 0) throw userError('data', { where: path, message: 'matches no file', fix: cureOf(path) });
  const { base } = globParts(path);
  return found.map((file) => fileAt(file, base));
}

function fileAt(path: string, home: string): DataFile {
  return { path, home: join(home, CACHE_FOLDER), constants: partitionsOf(path) };
}

/** What to do about a glob that matches nothing. */
function cureOf(path: string): string {
  const { base } = globParts(path);
  const stats = statOf(base);
  if (stats === undefined) return `the directory ${base} does not exist; correct the path`;
  const names = visible(base).map(({ name }) => name);
  return names.length === 0
    ? `the directory ${base} is empty; correct the path`
    : `the directory ${base} contains ` +
        `${names.slice(0, 5).map(quoted).join(', ')}${names.length > 5 ? `, and ${names.length - 5} more` : ''}`;
}

/** The files that a folder stands for. */
function folderFiles(folder: string): readonly string[] {
  const found = partsOf(folder, true);
  if (found.length === 0)
    throw userError('data', {
      where: folder,
      message:
        'is a directory without a shard manifest.json or CSV, JSON Lines or Parquet files; expected one of ' +
        'these, or a CSV file',
    });
  return [...found].sort(byCharacters);
}

/**
 * @param isRoot whether it is the folder that was named: of one that holds no part at all, nothing stands among parts.
 */
function partsOf(folder: string, isRoot: boolean): readonly string[] {
  const [files, folders, others]: [string[], string[], string[]] = [[], [], []];
  for (const entry of visible(folder)) {
    const path = join(folder, entry.name);
    // Only links are followed: a stat of each of thousands of files takes a second.
    if (entry.isSymbolicLink()) checkLink(path);
    const kind = entry.isSymbolicLink() ? statOf(path) : entry;
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
  return [...files, ...folders.flatMap((each) => partsOf(each, false))];
}

function visible(folder: string): readonly Dirent[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !/^[._]/.test(name))
    .sort((a, b) => byCharacters(a.name, b.name));
}

function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}
