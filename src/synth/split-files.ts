import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk, replace, writeFileAtomic } from '../io/disk.js';
import { userError } from '../core/errors.js';
import { randomStream } from '../core/random.js';
import type { BagSource } from './bags.js';
import { createCsvFile } from './csv-rows.js';
import { drawImpressions, type Impressions, type Shown } from './impressions.js';
import type { SynthFormat } from './presets.js';
import { createRawFile, assignRawIds, type Strays } from './raw-rows.js';
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

/** The truth about what was generated, written last. */
const ORACLE = 'oracle.json';
/** Lies beside files until all of them are there: what a kill or a full disk left is nobody else's. */
const UNFINISHED = '.synth-unfinished';

/**
 * Marks a folder as one that is being filled. Files that may be somebody else's are not written over: what was
 * generated has its truth beside it.
 * @throws UserError (usage), (disk)
 */
export async function beginFiles(folder: string, names: readonly string[]): Promise<void> {
  const isOurs = [ORACLE, UNFINISHED].some((name) => existsSync(join(folder, name)));
  const taken = isOurs ? undefined : names.find((name) => existsSync(join(folder, name)));
  if (taken !== undefined)
    throw userError('usage', {
      where: folder,
      message: `holds ${taken} without the ${ORACLE} of generated data, so that it may be yours`,
      fix: 'name a new folder, or remove that file',
    });
  await writeFileAtomic(join(folder, UNFINISHED), '');
}

/** Writes the truth beside the files, all of which are there. @throws UserError (disk) */
export async function endFiles(folder: string, oracle: object): Promise<void> {
  await writeFileAtomic(join(folder, ORACLE), `${JSON.stringify(oracle, null, 2)}\n`);
  const mark = join(folder, UNFINISHED);
  await onDisk(mark, () => rm(mark));
}

/** The files of a split, in its folder. */
export function listPaths(format: SynthFormat, name: string): readonly string[] {
  return format === 'raw' ? [`sample_skeleton_${name}.csv`, `common_features_${name}.csv`] : [`${name}.csv`];
}

/**
 * Writes a split as a CSV of torch-rechub's columns, whole or not at all.
 * @param bags where given, multi-valued fields are bags
 * @throws UserError (disk)
 */
export async function writeCsvSplit(
  { folder, name, split, rows, shown, seed, onBlock }: SplitDraw,
  bags: BagSource | undefined,
): Promise<void> {
  const [csv] = listPaths('csv', name);
  await replace(join(folder, csv!), (path) => {
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
  const {
    folder,
    split,
    shown: { world },
    seed,
    bags,
    profileSizes,
    badEvery,
    onBlock,
  } = draw;
  const strays: Strays = { purchasesWithoutClick: 0, unusedSessions: 0, badRows: 0 };
  const [skeleton, common] = listPaths('raw', split);
  await replace(join(folder, skeleton!), (skeletonPath) =>
    replace(join(folder, common!), (commonPath) => {
      const random = randomStream(seed, 'feature order', split);
      const ids = assignRawIds(world, profileSizes);
      const file = createRawFile(world, {
        skeletonPath,
        commonPath,
        seed,
        split,
        bags,
        ids,
        random,
        badEvery,
        capacity: SESSION_BLOCK_ROWS,
        strays,
      });
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
