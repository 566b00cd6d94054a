import { join } from 'node:path';
import { replace } from '../disk.js';
import { randomStream } from '../random.js';
import type { BagSource } from './bags.js';
import { createCsvFile } from './csv-rows.js';
import { drawImpressions, type Impressions, type Shown } from './impressions.js';
import { createRawFile, rawIdsOf, type Strays } from './raw-rows.js';
import { drawSessions, SESSION_BLOCK_ROWS } from './sessions.js';

/** What a split is drawn from, and where to. */
export interface SplitDraw {
  readonly folder: string;
  /** Of a CSV. */
  readonly name: string;
  /** Names the stream of random numbers, and raw files. */
  readonly split: string;
  readonly rows: number;
  readonly shown: Shown;
  readonly seed: number;
  /** Told of every block before it is written, and may change what came of it. */
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
export async function writeCsvSplit({ folder, name, split, rows, shown, seed, onBlock }: SplitDraw, bags: BagSource | undefined): Promise<void> {
  await replace(join(folder, `${name}.csv`), (path) => {
    const file = createCsvFile(path, shown.world, bags);
    for (const block of drawImpressions(shown, seed, split, rows)) {
      onBlock(block);
      file.write(block);
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
  const { folder, split, shown: { world }, seed, bags, profileSizes, badEvery, onBlock } = draw;
  const strays: Strays = { purchasesWithoutClick: 0, unusedSessions: 0, badRows: 0 };
  await replace(join(folder, `sample_skeleton_${split}.csv`), (skeletonPath) =>
    replace(join(folder, `common_features_${split}.csv`), (commonPath) => {
      const random = randomStream(seed, 'feature order', split);
      const ids = rawIdsOf(world, profileSizes);
      const file = createRawFile(world, { skeletonPath, commonPath, seed, split, bags, ids, random, badEvery, capacity: SESSION_BLOCK_ROWS, strays });
      for (const block of drawSessions({ ...draw, open: file.openSession, sessions: file.sessions })) {
        onBlock(block);
        file.write(block);
      }
      file.close();
      return Promise.resolve();
    }),
  );
  return strays;
}
