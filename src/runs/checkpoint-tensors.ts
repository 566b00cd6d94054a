import { join } from 'node:path';
import { z } from 'zod';
import type { ProgramState } from '../engines/engine.js';
import type { Fitted } from '../features/feature-types.js';
import { loadedFitted } from '../features/fitted.js';
import { FittedPatcher } from '../features/growing-vocabularies.js';
import { UserError } from '../core/errors.js';
import type { FileDigest } from '../io/disk.js';
import { locateTensors } from '../io/named-tensor.js';
import { readSafetensors, type StoredTensor } from '../io/safetensors.js';
import { applyDeltas, growsVocabulary, type Chain, type DeltaTensors, type TensorKind } from './delta.js';
import {
  checkSize,
  damaged,
  FILES,
  listedDigest,
  parseJson,
  partFile,
  readText,
  type CheckpointFolder,
  type Digests,
  type FileName,
} from './manifest.js';
import type { StateTensors } from '../io/saved-state.js';
import { STATES, type StateChanges, type StateName, type States } from './states.js';
import { mergeShards, toFloatTensors, type TensorMemory } from './sharded-tensors.js';

/**
 * Reads the weights or the optimizer state of a checkpoint of all ranks.
 * @param memory of the tensors; those that are not shared and large are read on demand
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readProgramTensors(
  { base, deltas }: Chain,
  kind: TensorKind,
  memory: TensorMemory,
): Promise<ProgramState['weights']> {
  const shards: ProgramState['weights'][] = [];
  for (const files of listRankFiles(base)) shards.push((await readFloats(files, kind, memory)).tensors);
  const { isShared = false } = memory;
  const changes: DeltaTensors[] = [];
  for (const delta of deltas) changes.push(...(await readDeltaTensors(delta, kind, { isShared })));
  const [first, ...parts] = shards;
  return applyDeltas(mergeShards(first!, parts, join(base.folder, FILES[kind]), memory), kind, changes);
}

/**
 * Reads the weights or the optimizer state of a delta, one element per rank.
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readDeltaTensors(
  delta: CheckpointFolder,
  kind: TensorKind,
  memory: TensorMemory,
): Promise<readonly DeltaTensors[]> {
  const ofRanks: DeltaTensors[] = [];
  const isGrowing = growsVocabulary(delta.manifest);
  for (const [rank, files] of listRankFiles(delta).entries())
    ofRanks.push({
      rows: await readRows(files),
      ...(await readFloats(files, kind, memory)),
      isPart: rank > 0,
      isGrowing,
    });
  return ofRanks;
}

/** Returns where a file of a rank is, and its digest. */
type RankFiles = (name: FileName) => { readonly path: string; readonly digest: FileDigest };

/** Lists the files of all ranks. */
function listRankFiles({ folder, manifest: { files, parts } }: CheckpointFolder): readonly RankFiles[] {
  return [files, ...parts].map((digests, rank) => (name) => ({
    path: join(folder, rank === 0 ? name : partFile(name, rank, parts.length + 1)),
    digest: listedDigest(folder, name, digests),
  }));
}

async function readFloats(files: RankFiles, kind: TensorKind, memory: TensorMemory) {
  const { path, digest } = files(FILES[kind]);
  await checkSize(path, digest.bytes);
  return { path, tensors: toFloatTensors(path, await readSafetensors(path, digest, memory)) };
}

async function readRows(files: RankFiles): Promise<DeltaTensors['rows']> {
  const { path, digest } = files(FILES.rows);
  await checkSize(path, digest.bytes);
  const tensors = await readSafetensors(path, digest);
  return new Map(
    Array.from(tensors, ([name, { data }]) => {
      if (!(data instanceof Uint32Array)) throw damaged(path, `expected elements of type U32 in '${name}'`);
      return [name, data];
    }),
  );
}

/**
 * Reads the changes of a state, or of growing vocabularies, in a delta, into shared memory.
 * @param convert converts them; it throws an Error if they are invalid
 * @returns undefined if the delta has none
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readChanges<Content>(
  { folder, manifest }: CheckpointFolder,
  name: keyof StateChanges,
  convert: (tensors: StateTensors) => Content,
): Promise<Content | undefined> {
  const digest = manifest.files[FILES[name]];
  return digest && convertFile(join(folder, FILES[name]), digest, convert, true);
}

async function convertFile<Content>(
  path: string,
  digest: FileDigest,
  convert: (tensors: ReadonlyMap<string, StoredTensor>) => Content,
  isShared: boolean,
): Promise<Content> {
  await checkSize(path, digest.bytes);
  return convertTensors(path, await readSafetensors(path, digest, { isShared }), convert);
}

/** @throws UserError (checkpoint) that names `path` if `convert` throws */
function convertTensors<Content>(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  convert: (tensors: ReadonlyMap<string, StoredTensor>) => Content,
): Content {
  try {
    return locateTensors({ file: path }, () => convert(tensors));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw damaged(path, `invalid content (${String(error)})`, error);
  }
}

/**
 * Reads the fitted parameters of the features.
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readFitted(folder: string, digests: Digests): Promise<Fitted> {
  const text = await readText(folder, FILES.features, digests);
  const json = parseJson(join(folder, FILES.features), text, z.record(z.string(), z.unknown()));
  return readTensors(folder, FILES.vocabularies, digests, (tensors) => loadedFitted({ json, tensors }));
}

/**
 * Reads what is fitted at a checkpoint, with the changes of vocabularies since the full one.
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readChainFitted(chain: Chain): Promise<Fitted> {
  const patcher = new FittedPatcher(await readFitted(chain.base.folder, chain.base.manifest.files));
  for (const delta of chain.deltas) await readChanges(delta, 'growth', (tensors) => patcher.apply(tensors));
  return patcher.fitted();
}

/**
 * Reads states at a checkpoint; those that it lacks are absent.
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readStates(chain: Chain, names: readonly StateName[]): Promise<States> {
  const states: { [Name in StateName]?: StateTensors } = {};
  for (const name of names) {
    const tensors = await readState(chain, name);
    if (tensors.size > 0) states[name] = tensors;
  }
  return states;
}

async function readState({ base, deltas }: Chain, name: StateName): Promise<StateTensors> {
  const form = STATES[name];
  const state = await readTensors(base.folder, FILES[name], base.manifest.files, (full) => form.continue(full), false);
  const changed = deltas.filter(({ manifest }) => manifest.files[FILES[name]] !== undefined);
  for (const delta of form.reads === 'all' ? changed : changed.slice(-1))
    await readChanges(delta, name, (changes) => state.prepare(changes)());
  return state.full();
}

/**
 * Reads tensors that a checkpoint may lack.
 * @param load converts them; it throws an Error if they are invalid
 */
export async function readTensors<Content>(
  folder: string,
  name: FileName,
  digests: Digests,
  load: (tensors: ReadonlyMap<string, StoredTensor>) => Content,
  isShared = true,
): Promise<Content> {
  const digest = digests[name];
  if (digest !== undefined) return convertFile(join(folder, name), digest, load, isShared);
  // Without tensors, only the fitted parameters can be invalid.
  return convertTensors(join(folder, FILES.features), new Map(), load);
}
