import { existsSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';

const RUNS_VARIABLE = 'MTL_RUNS';
const RUNS = 'runs';
export const CHECKPOINTS = 'checkpoints';

/**
 * Returns the directory of all runs: MTL_RUNS, else `configured`, else `runs` of the project.
 * @returns an absolute path
 */
export function runsRoot(configured?: string): string {
  const fromEnvironment = process.env[RUNS_VARIABLE];
  if (fromEnvironment !== undefined && fromEnvironment !== '') return resolve(fromEnvironment);
  return configured === undefined ? join(findProjectFolder(), RUNS) : resolve(configured);
}

/**
 * Finds the first directory, from the working directory upward, with a package.json or runs; defaults to the working
 * directory.
 */
function findProjectFolder(): string {
  const workingDirectory = process.cwd();
  for (let folder = workingDirectory; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) || linkTarget(join(folder, RUNS, 'latest')) !== undefined)
      return folder;
    if (dirname(folder) === folder) return workingDirectory;
  }
}

/** Formats a path for messages: relative to the working directory if it is below. */
export function shownPath(path: string): string {
  const relativePath = relative('.', path);
  if (relativePath.startsWith('..')) return resolve(path);
  return relativePath === '' ? '.' : relativePath;
}

/** Resolves a path such as `runs/latest` against the directory of all runs if it does not exist here. */
export function runPath(path: string): string {
  const [first, ...rest] = path.split('/');
  if (first !== RUNS || existsSync(path)) return path;
  const candidate = join(runsRoot(), ...rest);
  return existsSync(candidate) || linkTarget(candidate) !== undefined ? shownPath(candidate) : path;
}

/**
 * Replaces a link to a run, such as `runs/latest`, in a run's or checkpoint's path by its target; the link may move
 * while files are read.
 */
export function followRunLink(path: string): string {
  if (basename(dirname(path)) === CHECKPOINTS)
    return join(followRunLink(dirname(dirname(path))), CHECKPOINTS, basename(path));
  const target = linkTarget(path);
  if (target === undefined) return path;
  const followed = isAbsolute(target) ? target : join(dirname(path), target);
  // If a parent directory is a link too, `..` resolves differently.
  return existsSync(followed) && realpathSync(followed) === realpathSync(path) ? followed : path;
}

/** Reads the target of a link; undefined if the path is not a link. */
export function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
