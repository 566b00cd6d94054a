import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeKey } from '../data/readers/fingerprint.js';
import { createFileAtomic, makeFolder, onDisk } from '../io/disk.js';
import type { Baseline } from '../training/observer.js';

/** Baselines that several runs share, such as the trials of a study. */
export interface SharedBaselines {
  readonly folder: string;
  /** Random seed of all of them, so that they do not depend on the run that trains them. */
  readonly seed: number;
}

/**
 * Returns the stored baseline of the same facts, or trains and stores it. Runs that train it at the same time get the
 * same result.
 * @param facts everything that the baseline depends on
 * @throws UserError (disk); errors of `train`
 */
export async function shareBaseline(
  { folder }: SharedBaselines,
  facts: object,
  train: () => Promise<Baseline>,
): Promise<Baseline> {
  const path = join(folder, `${makeKey(facts).slice(0, 16)}.json`);
  const stored = existsSync(path) ? parseBaseline(await onDisk(path, () => readFile(path, 'utf8'))) : undefined;
  if (stored !== undefined) return stored;
  const baseline = await train();
  await onDisk(folder, () => makeFolder(folder));
  await createFileAtomic(path, `${JSON.stringify(baseline, null, 2)}\n`);
  return baseline;
}

/** Parses a stored baseline; returns undefined for one that another process is still copying. */
function parseBaseline(text: string): Baseline | undefined {
  try {
    return JSON.parse(text) as Baseline;
  } catch {
    return undefined;
  }
}
