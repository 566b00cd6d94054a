import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk, replace, writeFileAtomic } from '../io/disk.js';
import { userError } from '../core/errors.js';
import { randomStream } from '../core/random.js';
import type { BagSource } from './bags.js';
import { CsvFile } from './csv-rows.js';
import { createDelayFile } from './delay-csv.js';
import type { DelayedClick, DelayLog } from './delays.js';
import type { HistoryLog, OnEvent } from './histories.js';
import { createEventFile, createHistoryFile } from './history-csv.js';
import { drawImpressions, type Impressions, type Shown } from './impressions.js';
import type { SynthFormat } from './presets.js';
import { assignRawIds, RawFile, type Strays } from './raw-rows.js';
import { drawSessions, SESSION_BLOCK_ROWS } from './sessions.js';

/** Source and target of a split. */
export interface SplitDraw {
  readonly folder: string;
  /** File name, for a CSV. */
  readonly name: string;
  /** Purpose of the random stream, and name of raw files. */
  readonly split: string;
  readonly rows: number;
  readonly shown: Shown;
  readonly seed: number;
  /** Called with every block before it is written; may change its outcomes. */
  onBlock(block: Impressions): void;
}

/** Additional options of raw files. */
export interface RawDraw extends SplitDraw {
  readonly bags: BagSource;
  /** Number of values per profile field. */
  readonly profileSizes: readonly number[];
  readonly sessionRows: number;
  readonly badEvery: number;
}

/** Events of all users of a log with histories. */
export const EVENTS = 'events.csv';
/** The true metrics of the data, written last. */
const ORACLE = 'oracle.json';
/** Exists until all files are complete: marks remains of an interruption as generated. */
const UNFINISHED = '.synth-unfinished';

/**
 * Marks a directory as incomplete. Does not overwrite files of other origin: generated data has its truth next to it.
 * @throws UserError (usage), (disk)
 */
export async function beginFiles(folder: string, names: readonly string[]): Promise<void> {
  const isOurs = [ORACLE, UNFINISHED].some((name) => existsSync(join(folder, name)));
  const existing = isOurs ? undefined : names.find((name) => existsSync(join(folder, name)));
  if (existing !== undefined)
    throw userError('usage', {
      where: folder,
      message: `contains ${existing} without the ${ORACLE} of generated data, so it may not be from mtl synth`,
      fix: 'use a new directory, or remove that file',
    });
  await writeFileAtomic(join(folder, UNFINISHED), '');
}

/** Writes the truth next to the complete files. @throws UserError (disk) */
export async function endFiles(folder: string, oracle: object): Promise<void> {
  await writeFileAtomic(join(folder, ORACLE), `${JSON.stringify(oracle, null, 2)}\n`);
  const mark = join(folder, UNFINISHED);
  await onDisk(mark, () => rm(mark));
}

/** Returns the file paths of a split in its directory. */
export function listPaths(format: SynthFormat, name: string): readonly string[] {
  return format === 'raw' ? [`sample_skeleton_${name}.csv`, `common_features_${name}.csv`] : [`${name}.csv`];
}

/**
 * Writes a split atomically as a CSV with torch-rechub's columns.
 * @param bags if given, multi-valued fields are bags
 * @throws UserError (disk)
 */
export async function writeCsvSplit(
  { folder, name, split, rows, shown, seed, onBlock }: SplitDraw,
  bags: BagSource | undefined,
): Promise<void> {
  const [csv] = listPaths('csv', name);
  await replace(join(folder, csv!), (path) => {
    const file = new CsvFile(path, shown.world, bags);
    for (const block of drawImpressions(shown, seed, split, rows)) {
      onBlock(block);
      file.write(block);
    }
    file.close();
    return Promise.resolve();
  });
}

/**
 * Writes the next rows of a log with histories atomically.
 * @throws UserError (disk)
 */
export async function writeHistorySplit(
  { folder, name, rows, onBlock }: Pick<SplitDraw, 'folder' | 'name' | 'rows' | 'onBlock'>,
  log: HistoryLog,
  hasLists: boolean,
): Promise<void> {
  const [csv] = listPaths('csv', name);
  await replace(join(folder, csv!), (path) => {
    const file = createHistoryFile(path, log.catalog, hasLists);
    for (const block of log.draw(rows, (...row) => file.write(...row))) onBlock(block);
    file.close();
    return Promise.resolve();
  });
}

/**
 * Writes the next rows of a log with delayed conversions atomically.
 * @param onClick called with every row
 * @throws UserError (disk)
 */
export async function writeDelaySplit(
  { folder, name, rows }: Pick<SplitDraw, 'folder' | 'name' | 'rows'>,
  log: DelayLog,
  onClick: (click: DelayedClick) => void,
): Promise<void> {
  const [csv] = listPaths('csv', name);
  await replace(join(folder, csv!), (path) => {
    const file = createDelayFile(path);
    for (let row = 0; row < rows; row++) {
      const click = log.next();
      file.write(click);
      onClick(click);
    }
    file.close();
    return Promise.resolve();
  });
}

/**
 * Writes the events of a log atomically.
 * @param write passes all events
 * @throws UserError (disk)
 */
export async function writeEvents(folder: string, write: (onEvent: OnEvent) => Promise<void>): Promise<void> {
  await replace(join(folder, EVENTS), async (path) => {
    const file = createEventFile(path);
    await write(file.write);
    file.close();
  });
}

/**
 * Writes a split as a skeleton and its common features, each atomically.
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
      const file = new RawFile(world, {
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
      for (const block of drawSessions({ ...draw, open: (user) => file.openSession(user), sessions: file.sessions })) {
        onBlock(block);
        file.write(block);
      }
      file.close();
      return Promise.resolve();
    }),
  );
  return strays;
}
