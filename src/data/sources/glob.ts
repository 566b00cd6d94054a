import { readdirSync, readlinkSync, statSync, type Dirent, type Stats } from 'node:fs';
import { join, parse } from 'node:path';
import { globSync, isDynamicPattern } from 'tinyglobby';
import { quoted, systemCode, userError } from '../../core/errors.js';
import { checkRegularFile } from '../../io/regular-file.js';
import { withSlashes } from '../../io/slashes.js';
import { unreadable } from '../readers/unreadable.js';

/** Paths that a glob matches, in the order of their UTF-16 code units. */
interface GlobMatches {
  /** All that are not directories, including broken links and pipes. */
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

/** Returns whether a path has glob syntax. */
export function isGlob(path: string): boolean {
  return isDynamicPattern(path);
}

/** Splits a glob into the directory that it is relative to, and the pattern. */
export function globParts(path: string): { readonly base: string; readonly pattern: string } {
  const parts = path.split('/');
  const first = parts.findIndex(isGlob);
  const base = parts.slice(0, first).join('/');
  const { root } = parse(path);
  // The root ends in a separator, such as / or C:/.
  return { base: base.length < root.length ? root : base, pattern: parts.slice(first).join('/') };
}

/**
 * Finds all matches of a glob. Names that begin with an underscore match only patterns with such a name.
 * @throws UserError (data) for a directory that cannot be read
 */
export function findMatches(path: string): GlobMatches {
  const { base, pattern } = globParts(path);
  if (!isFolder(base)) return { files: [], folders: [] };
  const hasUnderscore = (names: string): boolean => names.split('/').some((name) => name.startsWith('_'));
  let failure: Error | undefined;
  const readFolder = (folder: string): Dirent[] => {
    try {
      return listEntries(folder);
    } catch (error) {
      // tinyglobby ignores errors.
      failure ??= unreadable(folder, error) as Error;
      return [];
    }
  };
  const names = globSync(pattern, {
    cwd: base,
    expandDirectories: false,
    onlyFiles: false,
    fs: { readdirSync: readFolder as unknown as typeof readdirSync },
  });
  if (failure !== undefined) throw failure;
  const found = [...new Set(names.map((name) => name.replace(/\/$/, '')))]
    .filter((name) => name !== '' && name !== '.' && (hasUnderscore(pattern) || !hasUnderscore(name)))
    .map((name) => withSlashes(join(base, name)))
    .sort();
  return { files: found.filter((match) => !isFolder(match)), folders: found.filter(isFolder) };
}

/** Lists a directory for tinyglobby: all but directories as files, and a link to a directory as both. */
function listEntries(folder: string): Dirent[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return [entry];
    const file = Object.create(entry, {
      isFile: { value: () => true },
      isDirectory: { value: () => false },
      isSymbolicLink: { value: () => false },
    }) as Dirent;
    return entry.isSymbolicLink() && isFolder(join(folder, entry.name)) ? [entry, file] : [file];
  });
}

/**
 * Checks that the matches of a glob can be read: either files or directories.
 * @throws UserError (data) for a broken link, a pipe, socket or device, and for a directory without matches next to
 * files
 */
export function checkMatches(path: string, { files, folders }: GlobMatches): void {
  for (const file of files) {
    checkLink(file);
    checkRegularFile(file, { kind: 'data', fix: 'remove it, or name it without a glob' });
  }
  if (files.length === 0) return;
  const other = folders.find((folder) => !files.some((file) => file.startsWith(`${folder}/`)));
  if (other === undefined) return;
  throw userError('data', {
    where: other,
    message: `is a directory, but ${quoted(path)} also matches files`,
    fix: `rename it, or match its files, for example with ${quoted(`${other}/*`)}`,
  });
}

/**
 * Checks that a path is not a broken link.
 * @throws UserError (data)
 */
export function checkLink(path: string): void {
  if (tryStat(path) !== undefined) return;
  let target: string;
  try {
    target = readlinkSync(path);
  } catch {
    // Not a link, or deleted: opening it reports the error.
    return;
  }
  throw userError('data', {
    where: path,
    message: `is a link to ${quoted(target)}, which does not exist`,
    fix: 'restore that file, or remove the link',
  });
}

/** Returns whether a path is a directory, or a link to one. */
export function isFolder(path: string): boolean {
  return tryStat(path)?.isDirectory() === true;
}

/** Returns the stats of a path; undefined if it does not exist, or is a broken or circular link. */
export function tryStat(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (systemCode(error) === 'ELOOP' || systemCode(error) === 'ENOTDIR') return undefined;
    throw unreadable(path, error);
  }
}
