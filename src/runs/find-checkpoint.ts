import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { quoted, systemCode, userError } from '../core/errors.js';
import { linkTarget } from '../io/links.js';
import { LINKS, type CheckpointLink } from './checkpoint.js';
import { FILES, NAME } from './manifest.js';
import { checkpointsFolder } from './retention.js';
import { missingRun } from './run-folder.js';
import { followRunLink, runPath } from './runs-root.js';

/**
 * Resolves a path to a checkpoint directory: the checkpoint itself, or the best one of a run (the last if none is best
 * yet). Does not validate the checkpoint.
 * @param links of a run, in order of preference
 * @throws UserError (checkpoint) if the path is neither
 */
export function findCheckpoint(path: string, links = LINKS): string {
  try {
    return resolveCheckpoint(followRunLink(runPath(path)), links);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    const message = code === 'ENOTDIR' ? 'not a directory' : `cannot read the path (${code})`;
    throw userError('checkpoint', { where: path, message, fix: NAME_ONE }, error);
  }
}

const NAME_ONE = 'name a run or a checkpoint, such as runs/latest or runs/esmm/001/checkpoints/last';

function resolveCheckpoint(path: string, links: readonly CheckpointLink[]): string {
  if (existsSync(join(path, FILES.weights))) return path;
  const folder = checkpointsFolder(path);
  for (const link of links) {
    const linked = join(folder, link);
    if (lstatSync(linked, { throwIfNoEntry: false }) === undefined) continue;
    // Resolved once, because a running training may move the link while files are read.
    const target = linkTarget(linked);
    if (target === undefined) continue;
    if (!NAME.test(target))
      throw userError('checkpoint', {
        where: linked,
        message: `expected a link to a checkpoint in the same directory, found a link to ${quoted(target)}`,
      });
    return join(folder, target);
  }
  const problem = existsSync(path)
    ? { message: `no checkpoint found: neither ${FILES.weights} nor checkpoints/best or checkpoints/last exists` }
    : missingRun(path);
  throw userError('checkpoint', { where: path, fix: NAME_ONE, ...problem });
}
