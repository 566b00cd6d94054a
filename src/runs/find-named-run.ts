import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { didYouMean, userError } from '../core/errors.js';
import { followLinks, linkTarget } from '../io/links.js';
import { withSlashes } from '../io/slashes.js';
import { findCheckpoint } from './find-checkpoint.js';
import { LATEST } from './run-folder.js';
import { findRuns, hasCheckpoint } from './run-list.js';
import { SOURCE } from './run-log.js';
import { runPath } from './runs-root.js';
import { hasTrees, treeFolder } from './tree-store.js';
import { MTL } from '../system/command-name.js';

/**
 * Finds the checkpoint or the trees of a run that a config names: by a path, or by a name below the directory of all
 * runs, such as `latest`, `esmm/003` or `esmm`, whose newest run with either is used.
 * @param root directory of all runs
 * @param key of the config, for errors
 * @returns the directory of a checkpoint, or of trees (`hasTrees`)
 * @throws UserError (checkpoint) if there is none
 */
export function findNamedModel(named: string, root: string, key: string): string {
  const isThere = (path: string): boolean => existsSync(path) || linkTarget(path) !== undefined;
  const below = join(root, named);
  const path = !isAbsolute(named) && isThere(below) ? followLinks(below) : runPath(named);
  const runs = findRuns(path, 1);
  if (!isThere(path)) {
    const names = findRuns(root).map((run) => withSlashes(relative(root, run)));
    const hint = didYouMean(withSlashes(named).replace(/^runs\//, ''), [
      LATEST,
      ...names,
      ...names.map((name) => name.split('/')[0]!),
    ]);
    const fix = hint ?? `use the path of a run, or a name from ${MTL} runs`;
    throw userError('checkpoint', { where: named, key, message: 'no such run or checkpoint', fix });
  }
  const isOld = (run: string): boolean =>
    !hasCheckpoint(run) && existsSync(treeFolder(run)) && !hasTrees(treeFolder(run));
  if (runs.length > 0 && runs.every(isOld))
    throw userError('checkpoint', {
      where: named,
      key,
      message: 'is a run of mtl baseline without the encoding of its features, which earlier versions did not store',
      fix: `run ${MTL} baseline again`,
    });
  const startedMs = (run: string): number => statSync(join(run, SOURCE)).mtimeMs;
  const [newest] = runs
    .filter((run) => hasCheckpoint(run) || hasTrees(treeFolder(run)))
    .sort((a, b) => startedMs(b) - startedMs(a));
  return newest !== undefined && !hasCheckpoint(newest) ? treeFolder(newest) : findCheckpoint(newest ?? path);
}
