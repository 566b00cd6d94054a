import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder, onDisk, removeTemporary, writeFileAtomic } from '../io/disk.js';
import { rethrowLimit, systemCode, UserError, userError, type Problem } from '../core/errors.js';
import type { ProcessGroup } from '../core/process-group.js';
import { checkRegularFile } from '../io/regular-file.js';
import { CHUNK_BYTES, splitChunks, type Chunk } from './chunk.js';

/** Splits of the raw data; the validation set is sampled from train. */
export const RAW_SPLITS = ['train', 'test'] as const;
export type RawSplit = (typeof RAW_SPLITS)[number];

/** The two raw files of a split in chunks, and the paths of their columns. */
export interface RawFiles {
  readonly commonPath: string;
  readonly skeletonPath: string;
  readonly commonBytes: number;
  readonly skeletonBytes: number;
  readonly common: readonly Chunk[];
  readonly skeleton: readonly Chunk[];
}

/** Inputs and work directory. */
export interface Work {
  readonly out: string;
  /** Kept until the end, so that an interrupted run can reuse finished files. */
  readonly folder: string;
  readonly files: Readonly<Record<RawSplit, RawFiles>>;
  /** Whether a previous run finished the same work. */
  readonly isDone: boolean;
  /** Processes that share the work; rank 0 writes the files that no job writes. */
  readonly peers: ProcessGroup;
  /** Returns a path in the work directory. */
  path(...parts: readonly (string | number)[]): string;
}

const WORK = '.work';
export const SUMMARY = 'summary.json';
const PLAN = 'plan.json';

/**
 * Finds the raw files and opens the output directory. Existing content must be from the same files and options, and is
 * then resumed.
 * @param options all options that affect the output, as JSON
 * @throws UserError (data) for missing files; (usage) for a directory with other content; (disk)
 */
export async function openWork(
  raw: string,
  out: string,
  options: object,
  peers: ProcessGroup,
  chunkBytes = CHUNK_BYTES,
): Promise<Work> {
  const problems: Problem[] = [];
  const inputs: object[] = [];
  const findFile = async (name: string): Promise<{ path: string; bytes: number }> => {
    const path = join(raw, name);
    checkRegularFile(path, { kind: 'data', fix: 'save its output to a file' });
    try {
      const { size, mtimeMs } = await stat(path);
      inputs.push({ name, size, mtimeMs });
      return { path, bytes: size };
    } catch (error) {
      rethrowLimit(path, error);
      const message =
        systemCode(error) === 'ENOENT' ? 'no such file' : `cannot be read (${systemCode(error) ?? String(error)})`;
      problems.push({
        where: path,
        message,
        fix: "unpack Tianchi's archives sample_train.tar.gz and sample_test.tar.gz into one directory, and pass it",
      });
      return { path, bytes: 0 };
    }
  };
  const listFiles = async (split: RawSplit): Promise<RawFiles> => {
    const common = await findFile(`common_features_${split}.csv`);
    const skeleton = await findFile(`sample_skeleton_${split}.csv`);
    return {
      commonPath: common.path,
      commonBytes: common.bytes,
      common: splitChunks(common.path, common.bytes, chunkBytes),
      skeletonPath: skeleton.path,
      skeletonBytes: skeleton.bytes,
      skeleton: splitChunks(skeleton.path, skeleton.bytes, chunkBytes),
    };
  };
  const files = { train: await listFiles('train'), test: await listFiles('test') };
  if (problems.length > 0) throw new UserError('data', problems);

  const folder = join(out, WORK);
  const plan = `${JSON.stringify({ version: 1, chunkBytes, inputs, options }, null, 1)}\n`;
  const isDone = await isOfPlan(out, folder, plan);
  if (!isDone && peers.rank === 0) {
    await onDisk(folder, () => makeFolder(folder));
    await writeFileAtomic(join(folder, PLAN), plan);
    for (const part of [
      'common',
      'skeleton',
      'vocabulary',
      'sessions',
      'shards',
      ...['train', 'valid', 'test'].map((split) => join('out', split)),
    ]) {
      await onDisk(folder, () => makeFolder(join(folder, part)));
      await removeTemporary(join(folder, part));
    }
  }
  const path = (...parts: readonly (string | number)[]): string => join(folder, ...parts.map(String));
  return { out, folder, files, isDone, peers, path };
}

/** Returns whether the directory is complete; rejects content of another plan. */
async function isOfPlan(out: string, folder: string, plan: string): Promise<boolean> {
  const readOr = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);
  const summary = await readOr(join(out, SUMMARY));
  const startedPlan = await readOr(join(folder, PLAN));
  const found = summary === undefined ? startedPlan : parsePlan(summary);
  if (found === plan) return summary !== undefined;
  const entries = await readdir(out).catch((): string[] => []);
  if (found === undefined && entries.length === 0) return false;
  const message =
    found === undefined ? 'is not empty' : 'contains data that was prepared from other files or with other options';
  throw userError('usage', { where: out, message, fix: 'use another directory, or remove this one' });
}

/** Returns the plan of a summary; undefined if the file is not from mtl. */
function parsePlan(summary: string): string | undefined {
  try {
    const { plan } = z.looseObject({ plan: z.unknown() }).parse(JSON.parse(summary));
    return plan === undefined ? undefined : `${JSON.stringify(plan, null, 1)}\n`;
  } catch {
    return undefined;
  }
}

/** Returns the plan for the summary, which identifies a complete directory. */
export async function readPlan(work: Work): Promise<unknown> {
  return JSON.parse(await readFile(work.path(PLAN), 'utf8'));
}

/** Removes everything but the results. No other process may still work. */
export async function closeWork(work: Work): Promise<void> {
  await onDisk(work.folder, () => rm(work.folder, { recursive: true, force: true }));
}

/**
 * Returns the items that are missing or truncated, as seen by rank 0: another machine that looked too early may not see
 * a file.
 */
export function unfinished<Piece>(
  pieces: readonly Piece[],
  isFinished: (piece: Piece) => boolean,
  { peers }: Work,
): Piece[] {
  const places = peers.rank === 0 ? pieces.flatMap((piece, place) => (isFinished(piece) ? [] : [place])) : [];
  // Written by rank 0 of this code.
  return (JSON.parse(peers.allGatherStrings(JSON.stringify(places))[0]!) as number[]).map((place) => pieces[place]!);
}

/** Formats a file number with five digits. */
export function numbered(index: number, ending = '.columns'): string {
  return `${String(index).padStart(5, '0')}${ending}`;
}
