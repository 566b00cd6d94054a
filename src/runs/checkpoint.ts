import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { checkRoom, freeBytes, onDisk, syncFolder, writeFolder, writeSynced, type FileDigest } from '../io/disk.js';
import { remove, renameBusy } from '../io/busy.js';
import { linkTarget, pointLink } from '../io/links.js';
import type { ProgramState } from '../engines/engine.js';
import { systemCode, UserError } from '../core/errors.js';
import { renameMetrics } from '../evaluation/metric-renames.js';
import type { Fitted } from '../features/feature-types.js';
import { loadedFitted, storedFitted } from '../features/fitted.js';
import { loadedLookups, lookupTensors, type LookupTables } from '../features/lookups.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import { readSafetensors, writeSafetensors, type StoredTensor } from '../io/safetensors.js';
import { listParts, countElements, type HostTensor } from '../core/tensor.js';
import { assertFinite } from '../training/divergence.js';
import { allSettledOrThrow } from './await-all.js';
import { readCounters, readTensors } from './checkpoint-tensors.js';
import { parseState, stateText } from './checkpoint-state.js';
import { selectLocalShards, mergeShards, toFloatTensors } from './sharded-tensors.js';
import {
  checkSize,
  FILES,
  MANIFEST,
  manifestText,
  parseJson,
  partFile,
  readManifest,
  readText,
  type Digests,
  type PartDigests,
} from './manifest.js';
import type { Sections } from './run-state.js';
import { CHECKPOINTS } from './runs-root.js';

export interface Checkpoint {
  readonly program: ProgramState;
  /** State sections of the run's components. */
  readonly sections: Sections;
  readonly fitted: Fitted;
  /** The resolved config, YAML. */
  readonly config: string;
  /** Counters of earlier events before training and after each split; empty without any. */
  readonly counters: ReadonlyMap<string, StoredTensor>;
  /** Side tables that the fields read. */
  readonly lookups: LookupTables;
}

/** Links to checkpoints of a run. */
export type CheckpointLink = 'best' | 'last' | `best-${string}`;
/** Links that a run's path resolves to, in order of preference. */
export const LINKS: readonly CheckpointLink[] = ['best', 'last'];
/** Directory name of a checkpoint: the step, and a number from 2 if a checkpoint of the same step exists. */
export const NAME = /^step-(\d{8,})(?:\.(\d+))?$/;
/** Estimated size of the config, the loop state and the file headers. */
const OTHER_BYTES = 1 << 20;

/** Checkpoints to keep in addition to those with a link. */
export interface Retention {
  readonly keepLast: number;
  /** Unreadable checkpoints, which do not count. */
  readonly damaged: readonly string[];
}

/** Returns the checkpoints directory of a run. */
export function checkpointsFolder(run: string): string {
  return join(run, CHECKPOINTS);
}

/** Lists the names of a run's checkpoints, newest first, without reading or validating them. */
export async function listCheckpoints(run: string): Promise<readonly string[]> {
  const folder = checkpointsFolder(run);
  const names = existsSync(folder) ? await onDisk(folder, () => readdir(folder)) : [];
  const entries = names.flatMap((name) => {
    const match = NAME.exec(name);
    return match === null ? [] : [{ name, step: Number(match[1]), copy: Number(match[2] ?? 1) }];
  });
  return entries.sort((a, b) => b.step - a.step || b.copy - a.copy).map(({ name }) => name);
}

/** Estimates the size of a checkpoint on disk, in bytes. */
export function checkpointBytes({ program, fitted, counters, lookups }: Checkpoint): number {
  const tensors = [...program.weights.values(), ...program.optimizer.values()];
  const others = [storedFitted(fitted).tensors, counters, lookupTensors(lookups)].flatMap((each) => [...each.values()]);
  const otherBytes = others.reduce((bytes, { data }) => bytes + data.byteLength, OTHER_BYTES);
  return tensors.reduce(
    (bytes, { shape }) => bytes + countElements(shape) * Float32Array.BYTES_PER_ELEMENT,
    otherBytes,
  );
}

/**
 * Saves a checkpoint as `checkpoints/step-NNNNNNNN`, points links at it, and removes checkpoints that neither a link
 * nor `retention` keeps. After an error, all earlier checkpoints and links are intact.
 * @throws UserError (disk), or (diverged) for a non-finite value
 */
export async function saveCheckpoint(
  run: string,
  checkpoint: Checkpoint,
  links: readonly CheckpointLink[],
  retention: Retention,
  peers: ProcessGroup = SINGLE_PROCESS,
): Promise<void> {
  if (peers.rank === 0) await saveFirst(run, checkpoint, links, retention, peers);
  else await savePart(checkpoint, peers);
  // A barrier: when any rank returns, the checkpoint and its links are complete.
  peers.allReduceAny(false);
}

/** Writes the part of rank 0 and the shared files, after the other ranks have written theirs. */
async function saveFirst(
  run: string,
  checkpoint: Checkpoint,
  links: readonly CheckpointLink[],
  retention: Retention,
  peers: ProcessGroup,
): Promise<void> {
  const folder = checkpointsFolder(run);
  if (!existsSync(folder)) {
    await onDisk(folder, async () => {
      await mkdir(folder, { recursive: true });
      await syncFolder(run);
    });
  }
  const older = await listCheckpoints(run);
  const first = `step-${String(checkpoint.program.step).padStart(8, '0')}`;
  let name = first;
  for (let copy = 2; older.includes(name); copy++) name = `${first}.${copy}`;
  await withFreeSpace(folder, checkpointBytes(checkpoint), () =>
    writeFolder(join(folder, name), (temporary) => writeFiles(temporary, checkpoint, links, peers)),
  );
  await allSettledOrThrow(links.map((link) => pointLink(join(folder, link), name)));

  await onDisk(folder, async () => {
    const entries = await readdir(folder);
    // A temporary name is a link that a killed process left behind.
    const names = entries.filter((entry) => !entry.startsWith('.'));
    const linked = names.map((entry) => linkTarget(join(folder, entry)));
    const newest = [name, ...older].filter((other) => !retention.damaged.includes(other)).slice(0, retention.keepLast);
    for (const other of older)
      if (!linked.includes(other) && !newest.includes(other)) await remove(join(folder, other));
  });
}

/**
 * Checks free disk space before writing; if the disk fills up anyway, adds the required and free bytes to the error.
 */
async function withFreeSpace(folder: string, neededBytes: number, write: () => Promise<void>): Promise<void> {
  await checkRoom(folder, neededBytes, 'a checkpoint');
  try {
    await write();
  } catch (error) {
    const code = error instanceof UserError ? systemCode(error.cause) : undefined;
    if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EFBIG') throw error;
    const more = {
      message: `a checkpoint requires ${neededBytes} bytes, but ${await freeBytes(folder)} are free on this disk`,
    };
    throw new UserError('disk', [...(error as UserError).problems, more], { cause: error });
  }
}

/** Writes this rank's shards of sharded tensors next to the files of rank 0. */
async function savePart({ program: { weights, optimizer, dealt } }: Checkpoint, peers: ProcessGroup): Promise<void> {
  const [folder] = peers.allGatherStrings('');
  const write = (name: keyof PartDigests, tensors: ProgramState['weights']): Promise<FileDigest> =>
    writeSafetensors(
      join(folder!, partFile(name, peers.rank, peers.size)),
      toStoredTensors(selectLocalShards(tensors, dealt)),
    );
  const digests: PartDigests = {
    [FILES.weights]: await write(FILES.weights, weights),
    [FILES.optimizer]: await write(FILES.optimizer, optimizer),
  };
  peers.allGatherStrings(JSON.stringify(digests));
}

async function writeFiles(
  folder: string,
  { program, sections, fitted, config, counters, lookups }: Checkpoint,
  links: readonly CheckpointLink[],
  peers: ProcessGroup,
): Promise<void> {
  peers.allGatherStrings(folder);
  const features = storedFitted(fitted);
  // Written concurrently, because each file waits for its own sync.
  type MaybeDigest = FileDigest | undefined;
  const writeAny = (name: string, tensors: ReadonlyMap<string, StoredTensor>): Promise<MaybeDigest> =>
    tensors.size > 0 ? writeSafetensors(join(folder, name), tensors) : Promise.resolve(undefined);
  const [weights, optimizer, json, vocabularies, counted, tables, configFile, state] = await allSettledOrThrow<
    [FileDigest, FileDigest, FileDigest, MaybeDigest, MaybeDigest, MaybeDigest, FileDigest, FileDigest]
  >([
    writeSafetensors(join(folder, FILES.weights), toStoredTensors(program.weights)),
    writeSafetensors(join(folder, FILES.optimizer), toStoredTensors(program.optimizer)),
    writeSynced(join(folder, FILES.features), JSON.stringify(features.json)),
    writeAny(FILES.vocabularies, features.tensors),
    writeAny(FILES.counters, counters),
    writeAny(FILES.lookups, lookupTensors(lookups)),
    writeSynced(join(folder, FILES.config), config),
    writeSynced(join(folder, FILES.state), stateText({ step: program.step, links }, sections)),
  ]);
  const files = {
    [FILES.weights]: weights,
    [FILES.optimizer]: optimizer,
    [FILES.features]: json,
    [FILES.vocabularies]: vocabularies,
    [FILES.counters]: counted,
    [FILES.lookups]: tables,
    [FILES.config]: configFile,
    [FILES.state]: state,
  };
  const [, ...parts] = peers.allGatherStrings('');
  await writeSynced(
    join(folder, MANIFEST),
    manifestText(
      files,
      parts.map((text) => JSON.parse(text) as PartDigests),
    ),
  );
}

/**
 * Adapts tensors for writing. Tensors are read one at a time and in parts; each part is checked for non-finite values
 * before it is written.
 */
function toStoredTensors(tensors: ReadonlyMap<string, HostTensor>): ReadonlyMap<string, StoredTensor> {
  const asStored = (name: string, tensor: HostTensor): StoredTensor => ({
    shape: tensor.shape,
    dtype: 'F32',
    get data() {
      const { data } = tensor;
      assertFinite(name, data);
      return data;
    },
    *parts() {
      let offset = 0;
      for (const part of listParts(tensor)) {
        assertFinite(name, part, offset, countElements(tensor.shape));
        yield part;
        offset += part.length;
      }
    },
  });
  return new Map([...tensors].map(([name, tensor]) => [name, asStored(name, tensor)]));
}

/**
 * Reads the config and the number of steps of a checkpoint.
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readCheckpointConfig(
  folder: string,
): Promise<{ readonly config: string; readonly step: number }> {
  const { files } = await readManifest(folder);
  const { own } = parseState(await readText(folder, FILES.state, files), join(folder, FILES.state));
  return { config: await readText(folder, FILES.config, files), step: own.step };
}

/** Parts of a checkpoint to read. */
export interface CheckpointReading {
  /** Whether to read the optimizer state; default: false. */
  readonly withOptimizer?: boolean;
  /** Whether to read the counters; default: true. */
  readonly withCounters?: boolean;
  /**
   * Whether to read all tensors into shared memory, so that other threads receive the checkpoint without copies;
   * default: false, which leaves large ones in their file until they are read.
   */
  readonly isShared?: boolean;
}

/**
 * Reads a checkpoint and verifies each file against the manifest.
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readCheckpoint(
  folder: string,
  { withOptimizer = false, withCounters = true, isShared = false }: CheckpointReading = {},
): Promise<Checkpoint> {
  const { files: digests, parts } = await readManifest(folder);
  const { own, sections } = parseState(await readText(folder, FILES.state, digests), join(folder, FILES.state));
  const fitted = await readFitted(folder, digests);
  const config = await readText(folder, FILES.config, digests);
  const tensors = async (name: typeof FILES.weights | typeof FILES.optimizer): Promise<ProgramState['weights']> => {
    const readFile = async (path: string, digest: FileDigest): Promise<ProgramState['weights']> => {
      await checkSize(path, digest.bytes);
      return toFloatTensors(path, await readSafetensors(path, digest, { isShared }));
    };
    const others: ProgramState['weights'][] = [];
    for (const [p, part] of parts.entries())
      others.push(await readFile(join(folder, partFile(name, p + 1, parts.length + 1)), part[name]));
    return mergeShards(await readFile(join(folder, name), digests[name]), others, join(folder, name));
  };
  return {
    program: {
      step: own.step,
      weights: await tensors(FILES.weights),
      optimizer: withOptimizer ? await tensors(FILES.optimizer) : new Map(),
    },
    sections,
    fitted,
    config,
    counters: withCounters ? await readCounters(folder, digests) : new Map(),
    lookups: await readTensors(folder, FILES.lookups, digests, loadedLookups),
  };
}

/**
 * Reads the config and the counters of a checkpoint.
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readCheckpointCounters(folder: string): Promise<Pick<Checkpoint, 'config' | 'counters'>> {
  const { files } = await readManifest(folder);
  return { config: await readText(folder, FILES.config, files), counters: await readCounters(folder, files) };
}

async function readFitted(folder: string, digests: Digests): Promise<Fitted> {
  const text = await readText(folder, FILES.features, digests);
  const json = parseJson(join(folder, FILES.features), text, z.record(z.string(), z.unknown()));
  return readTensors(folder, FILES.vocabularies, digests, (tensors) => loadedFitted({ json, tensors }));
}

/**
 * Points the links that a checkpoint was saved with at it; the process that saved it may have been killed before. Links
 * named after a metric of an earlier version get its current name.
 * @throws UserError (checkpoint) if the checkpoint is damaged; (disk)
 */
export async function restoreLinks(run: string, name: string): Promise<void> {
  const folder = checkpointsFolder(run);
  const path = join(folder, name);
  const { own } = parseState(
    await readText(path, FILES.state, (await readManifest(path)).files),
    join(path, FILES.state),
  );
  await onDisk(folder, async () => {
    for (const link of await readdir(folder))
      if (renameMetrics(link) !== link) await renameBusy(join(folder, link), join(folder, renameMetrics(link)));
  });
  for (const link of own.links) await pointLink(join(folder, link), name);
}

/** The newest intact checkpoint of a run. */
export interface NewestCheckpoint {
  /** Undefined if the run has none; `name` is empty then. */
  readonly checkpoint: Checkpoint | undefined;
  readonly name: string;
  /** Names of newer, unreadable checkpoints. */
  readonly damaged: readonly string[];
}

/**
 * Reads the newest intact checkpoint, with the optimizer state.
 * @param warn called for each newer, damaged checkpoint
 * @throws UserError (checkpoint) with the problems of all checkpoints if none is intact
 */
export async function readNewestCheckpoint(run: string, warn: (warning: string) => void): Promise<NewestCheckpoint> {
  const damaged: string[] = [];
  const errors: UserError[] = [];
  for (const name of await listCheckpoints(run)) {
    try {
      const checkpoint = await readCheckpoint(join(checkpointsFolder(run), name), { withOptimizer: true });
      for (const { message } of errors) warn(`${message}: skipping this checkpoint and using an older one`);
      return { checkpoint, name, damaged };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      damaged.push(name);
      errors.push(error);
    }
  }
  if (errors.length > 0)
    throw new UserError(
      'checkpoint',
      errors.flatMap(({ problems }) => problems),
    );
  return { checkpoint: undefined, name: '', damaged };
}
