import { existsSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';

/** Where runs are, for this shell. */
const PLACE = 'MTL_RUNS';
/** What the folder of all runs is called. */
const RUNS = 'runs';
/** The directory of a run's checkpoints. */
export const CHECKPOINTS = 'checkpoints';

/**
 * The folder of all runs: what MTL_RUNS says, else what the config says, else `runs` of the project.
 * @param configured by the config
 * @returns an absolute path
 */
export function runsRoot(configured?: string): string {
  const said = process.env[PLACE];
  if (said !== undefined && said !== '') return resolve(said);
  return configured === undefined ? join(projectFolder(), RUNS) : resolve(configured);
}

/**
 * From the working directory upwards, the first folder that is a package's or has had runs; the working directory where
 * there is none.
 */
function projectFolder(): string {
  const here = process.cwd();
  for (let folder = here; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) || linkTarget(join(folder, RUNS, 'latest')) !== undefined)
      return folder;
    if (dirname(folder) === folder) return here;
  }
}

/** A path as people see it: from the working directory, where it lies below. */
export function shownPath(path: string): string {
  const below = relative('.', path);
  if (below.startsWith('..')) return resolve(path);
  return below === '' ? '.' : below;
}

/** The path of a run as it was named: one like `runs/latest` that is not here is looked for where all runs are. */
export function runPath(path: string): string {
  const [first, ...rest] = path.split('/');
  if (first !== RUNS || existsSync(path)) return path;
  const there = join(runsRoot(), ...rest);
  return existsSync(there) || linkTarget(there) !== undefined ? shownPath(there) : path;
}

/**
 * Replaces a link to a run, as `runs/latest`, in the path of a run or its checkpoint by what it points to now: it may
 * move while files are read.
 */
export function followRunLink(path: string): string {
  if (basename(dirname(path)) === CHECKPOINTS)
    return join(followRunLink(dirname(dirname(path))), CHECKPOINTS, basename(path));
  const target = linkTarget(path);
  if (target === undefined) return path;
  const followed = isAbsolute(target) ? target : join(dirname(path), target);
  // If a directory above is a link, too, `..` leads elsewhere.
  return existsSync(followed) && realpathSync(followed) === realpathSync(path) ? followed : path;
}

/** Where a link leads; undefined for what is none. */
export function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
