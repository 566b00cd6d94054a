import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFolder, writeSynced, type FileDigest } from '../io/disk.js';
import { readSafetensors, writeSafetensors } from '../io/safetensors.js';
import { allSettledOrThrow } from './await-all.js';
import type { Checkpoint } from './checkpoint.js';
import { readFitted, readTensors } from './checkpoint-tensors.js';
import { loadedLookups } from '../features/lookups.js';
import { checkSize, damaged, digestSchema, FILES, MANIFEST, parseJson, readText } from './manifest.js';
import { constantContents, writeContents } from './checkpoint-contents.js';

/** Version of the format of stored trees; others are rejected. */
const FORMAT_VERSION = 1;
/** Directory of a run with trees. */
const TREE_FOLDER = 'trees';
/** Facts about the trees, JSON. */
const FACTS = 'trees.json';
/** Numbers of training rows with each id; absent if no column depends on them. */
const ID_COUNTS = 'id-counts.safetensors';

const factsSchema = z.strictObject({
  /** Number of trees by task. */
  trees: z.record(z.string(), z.int().min(1)),
  /** Number of models per task that were trained without a part of the rows each; 0 if there are none. */
  folds: z.int().min(0),
});
export type TreeFacts = z.output<typeof factsSchema>;

const manifestSchema = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION, `expected format version ${FORMAT_VERSION}`),
  files: z.record(z.string(), digestSchema),
});
type Digests = z.output<typeof manifestSchema>['files'];

/** Trees, and everything needed to encode the rows that they predict. */
export interface StoredTrees extends Pick<Checkpoint, 'fitted' | 'config' | 'lookups' | 'states'> {
  readonly facts: TreeFacts;
  /** By field: the number of training rows or items with each id. */
  readonly idCounts: ReadonlyMap<string, Uint32Array>;
}

/** Returns the file name of a task's model, or of the model that was trained without the rows of a fold. */
export function treeFile(task: string, fold?: number): string {
  return fold === undefined ? `${task}.txt` : `${task}.fold-${fold}.txt`;
}

/** Lists the names of all models. */
function listTreeFiles({ trees, folds }: TreeFacts): readonly string[] {
  return Object.keys(trees).flatMap((task) => [
    treeFile(task),
    ...Array.from({ length: folds }, (_, fold) => treeFile(task, fold)),
  ]);
}

/** Returns the directory of a run's trees. */
export function treeFolder(run: string): string {
  return join(run, TREE_FOLDER);
}

/** Returns whether a directory has trees with the encoding of their features. */
export function hasTrees(folder: string): boolean {
  return existsSync(join(folder, FACTS));
}

/**
 * Writes trees to a run.
 * @param models paths of the models, by the names that they get
 * @throws UserError (disk)
 */
export function writeTrees(
  run: string,
  { facts, idCounts, config, ...constants }: StoredTrees,
  models: ReadonlyMap<string, string>,
): Promise<void> {
  return writeFolder(treeFolder(run), async (folder) => {
    const contents = { ...constantContents(constants), config };
    const files: Record<string, FileDigest | undefined> = await writeContents(contents, (name) => join(folder, name));
    const write = async (name: string, text: string): Promise<void> => {
      const { bytes, sha256 } = await writeSynced(join(folder, name), text);
      files[name] = { bytes, sha256 };
    };
    await write(FACTS, JSON.stringify(facts));
    for (const [name, path] of models) await write(name, await readFile(path, 'utf8'));
    if (idCounts.size > 0) {
      const tensors = Array.from(idCounts, ([name, data]) => [name, { shape: [data.length], data }] as const);
      const { bytes, sha256 } = await writeSafetensors(join(folder, ID_COUNTS), new Map(tensors));
      files[ID_COUNTS] = { bytes, sha256 };
    }
    const manifest = { formatVersion: FORMAT_VERSION, files };
    await writeSynced(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  });
}

/**
 * Reads trees and verifies each file, including the files of the models, against the manifest.
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readTrees(folder: string): Promise<StoredTrees> {
  const digests = await readDigests(folder);
  const facts = await readFacts(folder, digests);
  await allSettledOrThrow(listTreeFiles(facts).map((name) => readText(folder, name, digests)));
  return {
    facts,
    config: await readText(folder, FILES.config, digests),
    fitted: await readFitted(folder, digests),
    lookups: await readTensors(folder, FILES.lookups, digests, loadedLookups),
    states: { counters: await readTensors(folder, FILES.counters, digests, (tensors) => tensors) },
    idCounts: await readIdCounts(folder, digests[ID_COUNTS]),
  };
}

async function readDigests(folder: string): Promise<Digests> {
  const path = join(folder, MANIFEST);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw damaged(path, `cannot read the file (${String(error)})`, error);
  });
  return parseJson(path, bytes, manifestSchema).files;
}

async function readFacts(folder: string, digests: Digests): Promise<TreeFacts> {
  return parseJson(join(folder, FACTS), await readText(folder, FACTS, digests), factsSchema);
}

async function readIdCounts(folder: string, digest: FileDigest | undefined): Promise<StoredTrees['idCounts']> {
  if (digest === undefined) return new Map();
  const path = join(folder, ID_COUNTS);
  await checkSize(path, digest.bytes);
  const tensors = await readSafetensors(path, digest);
  return new Map(
    Array.from(tensors, ([name, { data }]) => {
      if (!(data instanceof Uint32Array)) throw damaged(path, `expected elements of type U32 in '${name}'`);
      return [name, data];
    }),
  );
}
