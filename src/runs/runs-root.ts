import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { followLinks, linkTarget } from '../io/links.js';
import { withSlashes } from '../io/slashes.js';

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

/** Formats a path for messages and records: relative to the working directory if it is below, with `/`. */
export function shownPath(path: string): string {
  const relativePath = relative('.', path);
  if (relativePath.startsWith('..')) return withSlashes(resolve(path));
  return relativePath === '' ? '.' : withSlashes(relativePath);
}

/**
 * Resolves a path such as `runs/latest` against the directory of all runs if it does not exist here. Follows link
 * files, which the system does not.
 */
export function runPath(path: string): string {
  const followed = followLinks(path);
  if (existsSync(followed)) return followed;
  const [first, ...rest] = withSlashes(path).split('/');
  if (first !== RUNS) return path;
  const candidate = join(runsRoot(), ...rest);
  const target = followLinks(candidate);
  if (existsSync(target)) return shownPath(target);
  return linkTarget(candidate) === undefined ? path : shownPath(candidate);
}

/** Returns a run relative to a directory of all runs, with `/`. */
export function runName(run: string, root: string): string {
  return withSlashes(relative(existsSync(root) ? realpathSync(root) : root, run));
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
