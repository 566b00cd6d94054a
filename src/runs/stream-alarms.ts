import { basename, dirname, join } from 'node:path';
import { UserError, userError } from '../core/errors.js';
import { progressiveSection } from '../training/progressive.js';
import { parseState } from './checkpoint-state.js';
import { findCheckpoint } from './find-checkpoint.js';
import { FILES, readManifest, readText } from './manifest.js';
import { checkpointsFolder, listCheckpoints } from './retention.js';
import { readSection } from './run-state.js';

/**
 * Reads the alarms of the last window of a stream at a checkpoint; none if it was not trained on a stream.
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readAlarms(folder: string): Promise<readonly string[]> {
  const { files } = await readManifest(folder);
  const path = join(folder, FILES.state);
  const { sections } = parseState(await readText(folder, FILES.state, files), path);
  return Object.hasOwn(sections, progressiveSection.name) ? readSection(sections, progressiveSection, path).alarms : [];
}

/** Finds the newest checkpoint of a run before one of them that has no alarms; damaged ones do not count. */
export async function findBeforeAlarms(folder: string): Promise<string | undefined> {
  const run = dirname(dirname(folder));
  const names = await listCheckpoints(run);
  for (const name of names.slice(names.indexOf(basename(folder)) + 1)) {
    const earlier = join(checkpointsFolder(run), name);
    try {
      if ((await readAlarms(earlier)).length === 0) return earlier;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return undefined;
}

/**
 * Refuses a run whose best checkpoint is of a window with alarms.
 * @throws UserError (checkpoint) if it is, or cannot be read
 */
export async function refuseAlarms(run: string): Promise<void> {
  const checkpoint = findCheckpoint(run);
  const alarms = await readAlarms(checkpoint);
  if (alarms.length > 0)
    throw userError('checkpoint', {
      where: checkpoint,
      message: `the last window of its stream has alarms: ${alarms.join('; ')}`,
      fix: 'train the run until a window has no alarm, or add --ignore-alarms',
    });
}
