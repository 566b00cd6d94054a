import { join } from 'node:path';
import { progressiveSection } from '../training/progressive.js';
import { parseState } from './checkpoint-state.js';
import { FILES, readManifest, readText } from './manifest.js';
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
