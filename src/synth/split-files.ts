import { join } from 'node:path';
import { replace } from '../disk.js';
import { randomStream } from '../random.js';
import type { BagSource } from './bags.js';
import { createCsvFile } from './csv-rows.js';
import { drawImpressions, type Impressions } from './impressions.js';
import { createRawFile, rawIdsOf, type Strays } from './raw-rows.js';
import { drawSessions, SESSION_BLOCK_ROWS } from './sessions.js';
import type { Effects, World } from './world.js';

/** What a split is drawn from, and where to. */
export interface SplitDraw {
  readonly folder: string;
  readonly split: string;
  readonly rows: number;
  readonly world: World;
  readonly seed: number;
  readonly intercepts: Effects;
  /** Told of every block once it is written. */
  onBlock(block: Impressions): void;
}

/** What raw files need beside. */
export interface RawDraw extends SplitDraw {
  readonly bags: BagSource;
  /** Numbers of values of the profile fields. */
  readonly profileSizes: readonly number[];
  readonly sessionRows: number;
  readonly badEvery: number;
}

/**
 * Writes a split as a CSV of torch-rechub's columns, whole or not at all.
 * @param bags where given, multi-valued fields are bags
 * @throws UserError (disk)
 */
export async function writeCsvSplit({ folder, split, rows, world, seed, intercepts, onBlock }: SplitDraw, bags: BagSource | undefined): Promise<void> {
  await replace(join(folder, `${split}.csv`), (path) => {
    const file = createCsvFile(path, world, bags);
    for (const block of drawImpressions(world, seed, split, intercepts, rows)) {
      file.write(block);
      onBlock(block);
    }
    file.close();
    return Promise.resolve();
  });
}

/**
 * Writes a split as a skeleton and its common features, each whole or not at all.
 * @throws UserError (disk)
 */
export async function writeRawSplit(draw: RawDraw): Promise<Strays> {
  const { folder, split, world, seed, bags, profileSizes, badEvery, onBlock } = draw;
  const strays: Strays = { purchasesWithoutClick: 0, unusedSessions: 0, badRows: 0 };
  await replace(join(folder, `sample_skeleton_${split}.csv`), (skeletonPath) =>
    replace(join(folder, `common_features_${split}.csv`), (commonPath) => {
      const random = randomStream(seed, 'feature order', split);
      const ids = rawIdsOf(world, profileSizes);
      const file = createRawFile(world, { skeletonPath, commonPath, seed, split, bags, ids, random, badEvery, capacity: SESSION_BLOCK_ROWS, strays });
      for (const block of drawSessions({ ...draw, open: file.openSession, sessions: file.sessions })) {
        file.write(block);
        onBlock(block);
      }
      file.close();
      return Promise.resolve();
    }),
  );
  return strays;
}
