import { readdirSync, readlinkSync, statSync, type Dirent, type Stats } from 'node:fs';
import { join } from 'node:path';
import { globSync, isDynamicPattern } from 'tinyglobby';
import { quoted, systemCode, userError } from '../../core/errors.js';
import { unreadable } from '../readers/unreadable.js';

/** What a glob matches, as paths in the order of their characters. */
export interface GlobMatches {
  /** Whatever is no directory: also links that lead nowhere, and pipes. */
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

/** Whether a path has signs of a glob. */
export function isGlob(path: string): boolean {
  return isDynamicPattern(path);
}

/** Splits a glob into the folder at which it begins, and the pattern below it. */
export function globParts(path: string): { readonly base: string; readonly pattern: string } {
  const parts = path.split('/');
  const first = parts.findIndex((part) => isDynamicPattern(part));
  return { base: parts.slice(0, first).join('/') || '/', pattern: parts.slice(first).join('/') };
}

/**
 * Finds all that a glob matches; what begins with an underscore does where the glob says so.
 * @throws UserError (data) for a folder that cannot be read
 */
export function findMatches(path: string): GlobMatches {
  const { base, pattern } = globParts(path);
  if (statOf(base)?.isDirectory() !== true) return { files: [], folders: [] };
  const isMarked = (name: string): boolean => name.startsWith('_');
  const wantsMarked = pattern.split('/').some(isMarked);
  let failure: Error | undefined;
  const readFolder = (folder: string): Dirent[] => {
    try {
      return entriesOf(folder);
    } catch (error) {
      // What is thrown here is taken for a folder without entries.
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
    .filter((name) => name !== '' && name !== '.' && (wantsMarked || !name.split('/').some(isMarked)))
    .map((name) => join(base, name))
    .sort(byCharacters);
  const isFolder = (match: string): boolean => statOf(match)?.isDirectory() === true;
  return { files: found.filter((match) => !isFolder(match)), folders: found.filter(isFolder) };
}

/**
 * The entries of a folder as a glob is to see them: all that are no folders as files, and a link to a folder as a file,
 * too.
 */
function entriesOf(folder: string): Dirent[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return [entry];
    const file = Object.create(entry, {
      isFile: { value: () => true },
      isDirectory: { value: () => false },
      isSymbolicLink: { value: () => false },
    }) as Dirent;
    return entry.isSymbolicLink() && statOf(join(folder, entry.name))?.isDirectory() === true ? [entry, file] : [file];
  });
}

/**
 * Checks that the matches of a glob are files, or else folders: none is skipped.
 * @throws UserError (data) for a link that leads nowhere, and for a folder among files
 */
export function checkMatches(path: string, { files, folders }: GlobMatches): void {
  for (const file of files) checkLink(file);
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
 * Checks that a path is no link that leads nowhere.
 * @throws UserError (data)
 */
export function checkLink(path: string): void {
  if (statOf(path) !== undefined) return;
  let target: string;
  try {
    target = readlinkSync(path);
  } catch {
    // No link, or gone meanwhile: whoever opens it finds that.
    return;
  }
  throw userError('data', {
    where: path,
    message: `is a link to ${quoted(target)}, which does not exist`,
    fix: 'restore that file, or remove the link',
  });
}

/** Orders as `ls` does where the language is C: code unit by code unit, the same on every machine. */
export function byCharacters(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What is at a path; undefined where nothing is, or a link that leads nowhere or back to itself. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (systemCode(error) === 'ELOOP' || systemCode(error) === 'ENOTDIR') return undefined;
    throw unreadable(path, error);
  }
}
