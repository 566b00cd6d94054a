import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk, syncFolder, writeFolder, writeSynced } from '../io/disk.js';
import { remove } from '../io/busy.js';
import { pointLink } from '../io/links.js';
import { UserError } from '../core/errors.js';
import { loadedLookups } from '../features/lookups.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import type { TableFormat } from '../tables/row-formats.js';
import { allSettledOrThrow } from './await-all.js';
import {
  contentBytes,
  deltaContents,
  fullContents,
  programContents,
  writeContents,
  type Contents,
  type FullContent,
} from './checkpoint-contents.js';
import { readChainFitted, readProgramTensors, readStates, readTensors } from './checkpoint-tensors.js';
import { parseState, stateText } from './checkpoint-state.js';
import { readChain, type Delta, type SavedChanges } from './delta.js';
import { selectLocalShards } from './sharded-tensors.js';
import { withFreeSpace } from './disk-usage.js';
import {
  FILES,
  innerFolder,
  MANIFEST,
  manifestText,
  partFile,
  readManifest,
  readText,
  type CheckpointId,
  type Digests,
} from './manifest.js';
import { quantizeTables } from './quantized-tables.js';
import { checkpointsFolder, listCheckpoints, listRemovable, type Retention } from './retention.js';
import type { Sections } from './run-state.js';
import { STATE_NAMES, type StateName } from './states.js';
import { ROW_STATE_NAMES } from '../data/states/row-states.js';

export interface Checkpoint extends FullContent {
  /** Format of the rows of tables in `program.weights`, if they are quantized (`Plan.tableFormat`). */
  readonly tableFormat?: TableFormat | undefined;
  /** State sections of the run's components. */
  readonly sections: Sections;
}

/** Links to checkpoints of a run. */
export type CheckpointLink = 'best' | 'last' | `best-${string}`;
/** Links that a run's path resolves to, in order of preference. */
export const LINKS: readonly CheckpointLink[] = ['best', 'last'];
/**
 * Saves a checkpoint as `checkpoints/step-NNNNNNNN`, points links at it, and removes checkpoints that neither a link
 * nor `retention` keeps, and that no kept delta requires. After an error, all earlier checkpoints and links are intact.
 * @returns the identity of the checkpoint, in all ranks
 * @throws UserError (disk), or (diverged) for a non-finite value
 */
export async function saveCheckpoint(
  run: string,
  checkpoint: Checkpoint,
  links: readonly CheckpointLink[],
  retention: Retention,
  peers: ProcessGroup = SINGLE_PROCESS,
  changes: SavedChanges = {},
): Promise<CheckpointId> {
  const id = peers.rank === 0 ? await saveFirst(run, checkpoint, links, retention, peers, changes) : undefined;
  if (id === undefined) await savePart(changes.delta ?? checkpoint, peers);
  // Also a barrier: when any rank returns, the checkpoint and its links are complete.
  const [first] = peers.allGatherStrings(JSON.stringify(id ?? null));
  return JSON.parse(first!) as CheckpointId;
}

/** Writes the part of rank 0 and the shared files, after the other ranks have written theirs. */
async function saveFirst(
  run: string,
  checkpoint: Checkpoint,
  links: readonly CheckpointLink[],
  retention: Retention,
  peers: ProcessGroup,
  changes: SavedChanges,
): Promise<CheckpointId> {
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
  const { delta, segment } = changes;
  const state = stateText({ step: checkpoint.program.step, links }, checkpoint.sections);
  const contents = { ...(delta ? deltaContents(delta, checkpoint.config) : fullContents(checkpoint)), state };
  const served = segment && { ...servedContents(segment, checkpoint.config), state };
  let sha256 = '';
  await withFreeSpace(folder, contentBytes(contents) + (served ? contentBytes(served) : 0), () =>
    writeFolder(join(folder, name), async (temporary) => {
      if (served !== undefined)
        await writeFolder(innerFolder(temporary, 'segment'), async (inner) => {
          await writeFiles(inner, served, { before: segment?.before });
        });
      sha256 = await writeFiles(temporary, contents, { peers, before: delta?.before });
    }),
  );
  await allSettledOrThrow(links.map((link) => pointLink(join(folder, link), name)));

  for (const other of await listRemovable(run, retention)) await onDisk(folder, () => remove(join(folder, other)));
  return { name, sha256 };
}

/** Returns what a delta has without what only training reads. */
function servedContents(delta: Delta, config: string): Contents {
  return { ...deltaContents(delta, config), optimizer: new Map(), window: undefined };
}

/** Writes this rank's shards of sharded tensors next to the files of rank 0. */
async function savePart({ program, rows }: SavedTensors, peers: ProcessGroup): Promise<void> {
  const [folder] = peers.allGatherStrings('');
  const { weights, optimizer, dealt } = program;
  const select = <Tensor>(tensors: ReadonlyMap<string, Tensor>) => selectLocalShards(tensors, dealt);
  const shards = { ...program, weights: select(weights), optimizer: select(optimizer) };
  const contents = programContents(shards, rows && select(rows));
  const digests = await writeContents(contents, (name) => join(folder!, partFile(name, peers.rank, peers.size)));
  peers.allGatherStrings(JSON.stringify(digests));
}

/** Tensors to write: all, or the tensors of a delta with its rows. */
type SavedTensors = Pick<Checkpoint, 'program'> & { readonly rows?: Delta['rows'] | undefined };

/**
 * Writes all files of rank 0, the manifest last.
 * @param options.before the checkpoints before a delta
 * @returns the SHA-256 of the manifest
 */
export async function writeFiles(
  folder: string,
  contents: Contents,
  {
    peers = SINGLE_PROCESS,
    before: [base, ...segments] = [],
  }: { readonly peers?: ProcessGroup; readonly before?: readonly CheckpointId[] | undefined } = {},
): Promise<string> {
  peers.allGatherStrings(folder);
  const files = await writeContents(contents, (name) => join(folder, name));
  const [, ...parts] = peers.allGatherStrings('');
  const ofRanks = parts.map((text) => JSON.parse(text) as Digests);
  const { sha256 } = await writeSynced(join(folder, MANIFEST), manifestText({ files, parts: ofRanks, base, segments }));
  return sha256;
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
  /** States to read; default: those that a model in use needs, or all with the optimizer state. */
  readonly states?: readonly StateName[];
  /**
   * Whether to read all tensors into shared memory, so that other threads receive the checkpoint without copies;
   * default: false, which leaves large ones in their file until they are read.
   */
  readonly isShared?: boolean;
  /** Whether tables in shared memory have as many spare rows after their own; default: false. */
  readonly hasSpare?: boolean;
  /** Format of tables in memory; others than `f32` are in shared memory. Default: `f32`. */
  readonly tables?: TableFormat | undefined;
}

/**
 * Reads a checkpoint, and those before it if it is a delta, and verifies each file against its manifest.
 * @throws UserError (checkpoint) for a missing or invalid file, or an element that is not finite in `tables`
 */
export async function readCheckpoint(
  folder: string,
  {
    withOptimizer = false,
    states = withOptimizer ? STATE_NAMES : ROW_STATE_NAMES,
    tables = 'f32',
    ...memory
  }: CheckpointReading = {},
): Promise<Checkpoint> {
  const chain = await readChain(folder);
  const { base, files } = chain;
  const { own, sections } = parseState(await readText(folder, FILES.state, files), join(folder, FILES.state));
  const fitted = await readChainFitted(chain);
  const config = await readText(folder, FILES.config, files);
  return {
    program: {
      step: own.step,
      weights:
        tables === 'f32'
          ? await readProgramTensors(chain, 'weights', memory)
          : quantizeTables(await readProgramTensors(chain, 'weights', {}), tables, folder, memory),
      optimizer: withOptimizer ? await readProgramTensors(chain, 'optimizer', memory) : new Map(),
    },
    ...(tables !== 'f32' && { tableFormat: tables }),
    sections,
    fitted,
    config,
    lookups: await readTensors(base.folder, FILES.lookups, base.manifest.files, loadedLookups),
    states: await readStates(chain, states),
  };
}

/**
 * Reads the config and states of a checkpoint.
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readCheckpointStates(
  folder: string,
  names: readonly StateName[],
): Promise<Pick<Checkpoint, 'config' | 'states'>> {
  const chain = await readChain(folder);
  return { config: await readText(folder, FILES.config, chain.files), states: await readStates(chain, names) };
}

/**
 * Points the links that a checkpoint was saved with at it; the process that saved it may have been killed before.
 * @throws UserError (checkpoint) if the checkpoint is damaged; (disk)
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
