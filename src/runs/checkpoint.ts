import { existsSync } from 'node:fs';
import { mkdir, readdir, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  checkRoom,
  freeBytes,
  onDisk,
  pointLink,
  syncFolder,
  writeFolder,
  writeSynced,
  type FileDigest,
} from '../io/disk.js';
import type { ProgramState } from '../engines/engine.js';
import { systemCode, UserError, userError } from '../core/errors.js';
import type { Fitted } from '../features/feature-types.js';
import { loadedFitted, storedFitted } from '../features/fitted.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import { readSafetensors, writeSafetensors, type StoredTensor } from '../io/safetensors.js';
import { listParts, countElements, type HostTensor } from '../core/tensor.js';
import { assertFinite } from '../training/divergence.js';
import { allSettledOrThrow } from './await-all.js';
import { parseState, stateText } from './checkpoint-state.js';
import { selectLocalShards, mergeShards } from './sharded-tensors.js';
import {
  checkSize,
  damaged,
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

/** Everything that a checkpoint holds. */
export interface Checkpoint {
  readonly program: ProgramState;
  /** What the parts of the run have to remember. */
  readonly sections: Sections;
  readonly fitted: Fitted;
  /** The resolved config, YAML. */
  readonly config: string;
}

/** Names that point at a checkpoint of a run. */
export type CheckpointLink = 'best' | 'last' | `best-${string}`;
/** What a run alone means, the one to evaluate first. */
export const LINKS: readonly CheckpointLink[] = ['best', 'last'];
/** What folders of checkpoints are called: the step, and a number from 2 on where an older one has the name. */
export const NAME = /^step-(\d{8,})(?:\.(\d+))?$/;
/** Beside the tensors: the config, the loop's state and the header of each file. */
const OTHER_BYTES = 1 << 20;

/** What is kept beside what a link points at. */
export interface Retention {
  readonly keepLast: number;
  /** Names that do not count as kept, since they cannot be read. */
  readonly damaged: readonly string[];
}

/** The folder of a run's checkpoints. */
export function checkpointsFolder(run: string): string {
  return join(run, CHECKPOINTS);
}

/** Names of a run's checkpoints, the newest first; whether they are whole is seen when they are read. */
export async function listCheckpoints(run: string): Promise<readonly string[]> {
  const folder = checkpointsFolder(run);
  const names = existsSync(folder) ? await onDisk(folder, () => readdir(folder)) : [];
  const parsed = names.flatMap((name) => {
    const match = NAME.exec(name);
    return match === null ? [] : [{ name, step: Number(match[1]), copy: Number(match[2] ?? 1) }];
  });
  return parsed.sort((a, b) => b.step - a.step || b.copy - a.copy).map(({ name }) => name);
}

/** About how many bytes a checkpoint takes on the disk. */
export function checkpointBytes({ program, fitted }: Checkpoint): number {
  const tensors = [...program.weights.values(), ...program.optimizer.values()];
  const vocabularyBytes = [...storedFitted(fitted).tensors.values()].reduce(
    (bytes, { data }) => bytes + data.byteLength,
    0,
  );
  return tensors.reduce(
    (bytes, { shape }) => bytes + countElements(shape) * Float32Array.BYTES_PER_ELEMENT,
    OTHER_BYTES + vocabularyBytes,
  );
}

/**
 * Saves a checkpoint as `checkpoints/step-NNNNNNNN`, points links at it and removes those that neither a link nor
 * `retention`
 * keeps.
 * @throws UserError (disk), or (diverged) for a number that is not finite; what was saved before is then as it was, and
 * the
 *   links point at whole checkpoints
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
  // Who reads it next finds it whole, with its links.
  peers.allReduceAny(false);
}

/** Saves the first process's part and all that is one for all, once the others have put theirs beside it. */
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
  await withRoom(folder, checkpointBytes(checkpoint), () =>
    writeFolder(join(folder, name), (temporary) => writeFiles(temporary, checkpoint, links, peers)),
  );
  await allSettledOrThrow(links.map((link) => pointLink(join(folder, link), name)));

  await onDisk(folder, async () => {
    const entries = await readdir(folder);
    // A link that is still under its temporary name was left by a process that is no more.
    const names = entries.filter((entry) => !entry.startsWith('.'));
    const linked = await Promise.all(names.map((entry) => readlink(join(folder, entry)).catch(() => undefined)));
    const newest = [name, ...older].filter((other) => !retention.damaged.includes(other)).slice(0, retention.keepLast);
    for (const other of older)
      if (!linked.includes(other) && !newest.includes(other))
        await rm(join(folder, other), { recursive: true, force: true });
  });
}

/** Writes where there is room; what the disk runs out of is told with the bytes that are needed and free. */
async function withRoom(folder: string, neededBytes: number, write: () => Promise<void>): Promise<void> {
  await checkRoom(folder, neededBytes, 'a checkpoint');
  try {
    await write();
  } catch (error) {
    const code = error instanceof UserError ? systemCode(error.cause) : undefined;
    if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EFBIG') throw error;
    const more = {
      message: `a checkpoint needs ${neededBytes} bytes, ${await freeBytes(folder)} are free on this disk`,
    };
    throw new UserError('disk', [...(error as UserError).problems, more], { cause: error });
  }
}

/** Puts the rows that this process has beside what the first one saves. */
async function savePart({ program: { weights, optimizer, dealt } }: Checkpoint, peers: ProcessGroup): Promise<void> {
  const [folder] = peers.allGatherStrings('');
  const write = (name: keyof PartDigests, tensors: ProgramState['weights']): Promise<FileDigest> =>
    writeSafetensors(join(folder!, partFile(name, peers.rank, peers.size)), stored(selectLocalShards(tensors, dealt)));
  const digests: PartDigests = {
    [FILES.weights]: await write(FILES.weights, weights),
    [FILES.optimizer]: await write(FILES.optimizer, optimizer),
  };
  peers.allGatherStrings(JSON.stringify(digests));
}

async function writeFiles(
  folder: string,
  { program, sections, fitted, config }: Checkpoint,
  links: readonly CheckpointLink[],
  peers: ProcessGroup,
): Promise<void> {
  peers.allGatherStrings(folder);
  const features = storedFitted(fitted);
  // Each waits for the disk by itself.
  const [weights, optimizer, json, vocabularies, configFile, state] = await allSettledOrThrow<
    [FileDigest, FileDigest, FileDigest, FileDigest | undefined, FileDigest, FileDigest]
  >([
    writeSafetensors(join(folder, FILES.weights), stored(program.weights)),
    writeSafetensors(join(folder, FILES.optimizer), stored(program.optimizer)),
    writeSynced(join(folder, FILES.features), JSON.stringify(features.json)),
    features.tensors.size > 0
      ? writeSafetensors(join(folder, FILES.vocabularies), features.tensors)
      : Promise.resolve(undefined),
    writeSynced(join(folder, FILES.config), config),
    writeSynced(join(folder, FILES.state), stateText({ step: program.step, links }, sections)),
  ]);
  const files = {
    [FILES.weights]: weights,
    [FILES.optimizer]: optimizer,
    [FILES.features]: json,
    ...(vocabularies && { [FILES.vocabularies]: vocabularies }),
    [FILES.config]: configFile,
    [FILES.state]: state,
  };
  const [, ...parts] = peers.allGatherStrings('');
  // what savePart has told
  await writeSynced(
    join(folder, MANIFEST),
    manifestText(
      files,
      parts.map((text) => JSON.parse(text) as PartDigests),
    ),
  );
}

/**
 * Tensors as they are written: asked for one by one and part by part, and each part looked at before a byte of it is.
 */
function stored(tensors: ReadonlyMap<string, HostTensor>): ReadonlyMap<string, StoredTensor> {
  const asStored = (name: string, tensor: HostTensor): StoredTensor => ({
    shape: tensor.shape,
    dtype: 'F32',
    get data() {
      const { data } = tensor;
      assertFinite(name, data);
      return data;
    },
    *parts() {
      let before = 0;
      for (const part of listParts(tensor)) {
        assertFinite(name, part, before, countElements(tensor.shape));
        yield part;
        before += part.length;
      }
    },
  });
  return new Map([...tensors].map(([name, tensor]) => [name, asStored(name, tensor)]));
}

/**
 * Reads a checkpoint, and holds every file that it reads against the manifest.
 * @param withOptimizer whether the optimizer's state is needed too
 * @throws UserError (checkpoint) for a file that is missing or not what it should be
 */
export async function readCheckpoint(folder: string, withOptimizer: boolean): Promise<Checkpoint> {
  const { files: digests, parts } = await readManifest(folder);
  const { own, sections } = parseState(await readText(folder, FILES.state, digests), join(folder, FILES.state));
  const fitted = await readFitted(folder, digests);
  const config = await readText(folder, FILES.config, digests);
  const tensors = async (name: typeof FILES.weights | typeof FILES.optimizer): Promise<ProgramState['weights']> => {
    const read = async (path: string, digest: FileDigest): Promise<ProgramState['weights']> => {
      await checkSize(path, digest.bytes);
      return floats(path, await readSafetensors(path, digest));
    };
    const others: ProgramState['weights'][] = [];
    for (const [p, part] of parts.entries())
      others.push(await read(join(folder, partFile(name, p + 1, parts.length + 1)), part[name]));
    return mergeShards(await read(join(folder, name), digests[name]), others, join(folder, name));
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
  };
}

async function readFitted(folder: string, digests: Digests): Promise<Fitted> {
  const json = parseJson(
    join(folder, FILES.features),
    await readText(folder, FILES.features, digests),
    z.record(z.string(), z.unknown()),
  );
  const digest = digests[FILES.vocabularies];
  const path = join(folder, digest === undefined ? FILES.features : FILES.vocabularies);
  if (digest !== undefined) await checkSize(path, digest.bytes);
  const tensors =
    digest === undefined ? new Map<string, StoredTensor>() : await readSafetensors(path, digest, { isShared: true });
  try {
    return loadedFitted({ json, tensors });
  } catch (error) {
    throw damaged(path, `is not what it should be (${String(error)})`, error);
  }
}

/**
 * Points at a checkpoint what was to point at it when it was saved: whoever saved it may have died in between.
 * @throws UserError (checkpoint) where it is not whole; (disk)
 */
export async function restoreLinks(run: string, name: string): Promise<void> {
  const folder = checkpointsFolder(run);
  const path = join(folder, name);
  const { own } = parseState(
    await readText(path, FILES.state, (await readManifest(path)).files),
    join(path, FILES.state),
  );
  for (const link of own.links) await pointLink(join(folder, link), name);
}

/** The newest checkpoint of a run that is whole. */
export interface NewestCheckpoint {
  /** undefined where the run has none; then it has no name. */
  readonly checkpoint: Checkpoint | undefined;
  readonly name: string;
  /** Newer ones, which cannot be read. */
  readonly damaged: readonly string[];
}

/**
 * Reads the newest checkpoint that is whole, with the optimizer's state.
 * @param tell told of each that is not, where an older one is
 * @throws UserError (checkpoint) with what is wrong with each, where there are some and none is whole
 */
export async function readNewestCheckpoint(run: string, warn: (notice: string) => void): Promise<NewestCheckpoint> {
  const damaged: string[] = [];
  const errors: UserError[] = [];
  for (const name of await listCheckpoints(run)) {
    try {
      const checkpoint = await readCheckpoint(join(checkpointsFolder(run), name), true);
      for (const { message } of errors) warn(`${message}: it is left out, and an older one is taken`);
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

function floats(path: string, tensors: ReadonlyMap<string, StoredTensor>): ProgramState['weights'] {
  return new Map(
    [...tensors].map(([name, tensor]): [string, HostTensor] => {
      const { dtype, shape, parts } = tensor;
      // A large tensor stays in its file until it is asked for.
      if (parts === undefined ? !(tensor.data instanceof Float32Array) : dtype !== 'F32')
        throw userError('checkpoint', { where: path, key: name, message: 'expected numbers of type F32' });
      // What is of this type is held in such arrays.
      return [
        name,
        {
          shape,
          parts: parts as HostTensor['parts'],
          get data() {
            return tensor.data as Float32Array;
          },
        },
      ];
    }),
  );
}
