import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { didYouMean, userError } from '../core/errors.js';
import { followLinks, linkTarget } from '../io/links.js';
import { withSlashes } from '../io/slashes.js';
import { findCheckpoint } from './find-checkpoint.js';
import { LATEST } from './run-folder.js';
import { findRuns, hasCheckpoint } from './run-list.js';
import { SOURCE, TREE_FOLDER } from './run-log.js';
import { runPath } from './runs-root.js';

/**
 * Finds the checkpoint of a run that a config names: by a path, or by a name below the directory of all runs, such as
 * `latest`, `esmm/003` or `esmm`, whose newest run with a checkpoint is used.
 * @param root directory of all runs
 * @param key of the config, for errors
 * @throws UserError (checkpoint) if there is none
 */
export function findNamedCheckpoint(named: string, root: string, key: string): string {
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
    const fix = hint ?? 'use the path of a run, or a name that mtl runs lists';
    throw userError('checkpoint', { where: named, key, message: 'no such run or checkpoint', fix });
  }
  const isTrees = (run: string): boolean => !hasCheckpoint(run) && existsSync(join(run, TREE_FOLDER));
  if (runs.length > 0 && runs.every(isTrees))
    throw userError('checkpoint', {
      where: named,
      key,
      message: 'is a run of mtl baseline, which stores trees but not the encoding of their features',
      fix: 'use a run of mtl train, or add the probabilities of the trees as a column and set distill.column',
    });
  const startedMs = (run: string): number => statSync(join(run, SOURCE)).mtimeMs;
  const trained = runs.filter(hasCheckpoint).sort((a, b) => startedMs(b) - startedMs(a));
  return findCheckpoint(trained[0] ?? path);
}
