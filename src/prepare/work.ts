import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { rethrowLimit, systemCode, UserError, userError, type Problem } from '../core/errors.js';
import type { ProcessGroup } from '../core/process-group.js';
import { remove } from '../io/busy.js';
import { makeFolder, onDisk, removeTemporary, writeFileAtomic } from '../io/disk.js';
import { checkRegularFile } from '../io/regular-file.js';
import { CHUNK_BYTES, splitChunks, type Chunk } from './chunk.js';

/** Splits of the raw data; the validation set is sampled from train. */
export const RAW_SPLITS = ['train', 'test'] as const;
export type RawSplit = (typeof RAW_SPLITS)[number];

/** A raw file in chunks. */
export interface RawFile {
  readonly path: string;
  readonly bytes: number;
  readonly chunks: readonly Chunk[];
}

/** The two raw files of a split. */
export interface RawFiles {
  readonly common: RawFile;
  readonly skeleton: RawFile;
}

/** Inputs and work directory. */
export interface Work {
  readonly out: string;
  readonly files: Readonly<Record<RawSplit, RawFiles>>;
  /** Whether a previous run finished the same work. */
  readonly isDone: boolean;
  /** Processes that share the work; rank 0 writes the files that no job writes. */
  readonly peers: ProcessGroup;
  /** Returns a path in the work directory, which exists until the end, so that a rerun can use finished files. */
  path(...parts: readonly string[]): string;
}

const WORK = '.work';
export const SUMMARY = 'summary.json';
const PLAN = 'plan.json';
/** Directories of the work directory. */
const FOLDERS = ['common', 'skeleton', 'vocabulary', 'sessions', 'shards', 'out/train', 'out/valid', 'out/test'];

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
  const { files, inputs } = await findFiles(raw, chunkBytes);
  const path = (...parts: readonly string[]): string => join(out, WORK, ...parts);
  const plan = `${JSON.stringify({ version: 1, chunkBytes, inputs, options }, null, 1)}\n`;
  const isDone = await hasOutputOf(plan, out, path(PLAN));
  if (!isDone && peers.rank === 0) {
    await onDisk(path(), () => makeFolder(path()));
    await writeFileAtomic(path(PLAN), plan);
    for (const folder of FOLDERS) {
      await onDisk(path(), () => makeFolder(path(folder)));
      await removeTemporary(path(folder));
    }
  }
  return { out, files, isDone, peers, path };
}

/** Finds the raw files; returns also their properties for the plan. @throws UserError (data) */
async function findFiles(
  raw: string,
  chunkBytes: number,
): Promise<{ readonly files: Work['files']; readonly inputs: readonly object[] }> {
  const problems: Problem[] = [];
  const inputs: object[] = [];
  const findFile = async (name: string): Promise<RawFile> => {
    const path = join(raw, name);
    checkRegularFile(path, { kind: 'data', fix: 'save its output to a file' });
    try {
      const { size, mtimeMs } = await stat(path);
      inputs.push({ name, size, mtimeMs });
      return { path, bytes: size, chunks: splitChunks(path, size, chunkBytes) };
    } catch (error) {
      rethrowLimit(path, error);
      const code = systemCode(error);
      problems.push({
        where: path,
        message: code === 'ENOENT' ? 'no such file' : `cannot be read (${code ?? String(error)})`,
        fix: "unpack Tianchi's archives sample_train.tar.gz and sample_test.tar.gz into one directory, and pass it",
      });
      return { path, bytes: 0, chunks: [] };
    }
  };
  const findSplit = async (split: RawSplit): Promise<RawFiles> => ({
    common: await findFile(`common_features_${split}.csv`),
    skeleton: await findFile(`sample_skeleton_${split}.csv`),
  });
  const files = { train: await findSplit('train'), test: await findSplit('test') };
  if (problems.length > 0) throw new UserError('data', problems);
  return { files, inputs };
}

/** Returns whether the output is complete. @throws UserError (usage) for content of another plan */
async function hasOutputOf(plan: string, out: string, planPath: string): Promise<boolean> {
  const read = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);
  const summary = await read(join(out, SUMMARY));
  const found = summary === undefined ? await read(planPath) : parsePlan(summary);
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

/** Reads the plan for the summary, which identifies a complete directory. */
export async function readPlan(work: Work): Promise<unknown> {
  return JSON.parse(await readFile(work.path(PLAN), 'utf8'));
}

/** Removes everything but the results. No other process may still work. */
export async function closeWork(work: Work): Promise<void> {
  await onDisk(work.path(), () => remove(work.path()));
}
