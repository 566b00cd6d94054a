import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError, userError } from '../core/errors.js';
import { writeFolder } from '../io/disk.js';
import { removeStaleTemporary } from '../io/temporary.js';
import { readCheckpoint, writeFiles } from './checkpoint.js';
import { contentBytes, fullContents } from './checkpoint-contents.js';
import { readChain } from './delta.js';
import { withFreeSpace } from './disk-usage.js';
import { FILES, innerFolder, isCompacted, MANIFEST, readText } from './manifest.js';

/** Result of a compaction. */
export interface Compaction {
  /** Number of deltas in the chain that was compacted; 0 if the checkpoint was full, or compacted meanwhile. */
  readonly deltas: number;
  /** Bytes of the full checkpoint, approximately; 0 if nothing was written. */
  readonly bytes: number;
}

/**
 * Writes the base of a delta into its directory, bitwise equal to what its chain restores. The delta itself
 * stays as it is, so a running training continues its chain and a server follows it. A kill leaves the chain as it was.
 * @param folder directory of the checkpoint
 * @throws UserError (checkpoint) for a missing or invalid file, or if the training removes the checkpoint meanwhile;
 * (disk)
 */
export async function compactCheckpoint(folder: string): Promise<Compaction> {
  const wasComplete = existsSync(join(folder, MANIFEST));
  const target = innerFolder(folder, 'base');
  try {
    const { files, deltas } = await readChain(folder);
    if (deltas.length === 0) return { deltas: 0, bytes: 0 };
    const checkpoint = await readCheckpoint(folder, { withOptimizer: true });
    const state = await readText(folder, FILES.state, files);
    const contents = { ...fullContents(checkpoint), state };
    const bytes = contentBytes(contents);
    await removeStaleTemporary(target);
    await withFreeSpace(folder, bytes, () =>
      writeFolder(target, async (temporary) => {
        await writeFiles(temporary, contents);
      }),
    );
    return { deltas: deltas.length, bytes };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // Another process has compacted the same checkpoint.
    if (isCompacted(folder)) return { deltas: 0, bytes: 0 };
    if (!wasComplete || existsSync(join(folder, MANIFEST))) throw error;
    throw userError(
      'checkpoint',
      {
        where: folder,
        message: 'the training saved a later full checkpoint, and removed this one while it was compacted',
        fix: 'none is required: the later one is full',
      },
      error,
    );
  }
}
