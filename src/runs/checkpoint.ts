import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { readdir, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ProgramState } from '../engines/engine.js';
import { quoted, userError } from '../errors.js';
import type { Fitted } from '../features/features.js';
import { onDisk, pointLink, writeFolder, writeSynced } from '../disk.js';
import { stoppingStateSchema } from '../training/stopping.js';
import { checkSize, FILES, MANIFEST, manifestText, parseJson, readManifest, readText } from './manifest.js';
import { readSafetensors, writeSafetensors, type StoredTensor } from '../safetensors.js';

const loopStateSchema = z.strictObject({
  /** Whole epochs that are behind. */
  epoch: z.int().min(0),
  /** Epoch of the best weights, 0 before the first is behind. */
  bestEpoch: z.int().min(0),
  stopping: stoppingStateSchema,
});

/** Where the training loop stands. */
export type LoopState = z.output<typeof loopStateSchema>;

const stateSchema = z.strictObject({ step: z.int().min(0), loop: loopStateSchema });

/** What folders of checkpoints are called. */
const CHECKPOINT_NAME = /^step-\d{8,}$/;

/** Everything that a checkpoint holds. */
export interface Checkpoint {
  readonly program: ProgramState;
  readonly loop: LoopState;
  readonly fitted: Fitted;
  /** The resolved config, YAML. */
  readonly config: string;
}

/** Names that point at a checkpoint of a run, the one to evaluate first. */
const LINKS = ['best', 'last'] as const;
export type CheckpointLink = (typeof LINKS)[number];

/**
 * Saves a checkpoint as `checkpoints/step-NNNNNNNN`, points links at it and removes those that no link points at any more.
 * @throws UserError (disk); the links then still point at whole checkpoints
 */
export async function saveCheckpoint(runFolder: string, checkpoint: Checkpoint, links: readonly CheckpointLink[]): Promise<void> {
  const folder = join(runFolder, 'checkpoints');
  const name = `step-${String(checkpoint.program.step).padStart(8, '0')}`;
  const path = join(folder, name);
  if (!existsSync(path)) await writeFolder(path, (temporary) => writeFiles(temporary, checkpoint));
  for (const link of links) await pointLink(join(folder, link), name);

  await onDisk(folder, async () => {
    const linked = await Promise.all(LINKS.map((link) => readlink(join(folder, link)).catch(() => undefined)));
    for (const entry of await readdir(folder)) {
      if (entry.startsWith('step-') && !linked.includes(entry)) await rm(join(folder, entry), { recursive: true, force: true });
    }
  });
}

async function writeFiles(folder: string, { program, loop, fitted, config }: Checkpoint): Promise<void> {
  const files = {
    [FILES.weights]: await writeSafetensors(join(folder, FILES.weights), program.weights),
    [FILES.optimizer]: await writeSafetensors(join(folder, FILES.optimizer), program.optimizer),
    [FILES.features]: await writeSynced(join(folder, FILES.features), JSON.stringify(fitted)),
    [FILES.config]: await writeSynced(join(folder, FILES.config), config),
    [FILES.state]: await writeSynced(join(folder, FILES.state), JSON.stringify({ step: program.step, loop })),
  };
  await writeSynced(join(folder, MANIFEST), manifestText(files));
}

/**
 * The folder of the checkpoint that a path means: itself, or the best one of a run (the last, where none is best yet).
 * Whether it is whole is seen when it is read.
 * @throws UserError (checkpoint) if the path is neither
 */
export function findCheckpoint(path: string): string {
  if (existsSync(join(path, FILES.weights))) return path;
  for (const link of LINKS) {
    const linked = join(path, 'checkpoints', link);
    if (lstatSync(linked, { throwIfNoEntry: false })?.isSymbolicLink() !== true) continue;
    // What it points at now: a run that goes on may point it elsewhere while the files are read.
    const target = readlinkSync(linked);
    if (!CHECKPOINT_NAME.test(target)) throw userError('checkpoint', { where: linked, message: `expected a link to a checkpoint beside it, found one to ${quoted(target)}` });
    return join(path, 'checkpoints', target);
  }
  const message = existsSync(path) ? `holds no checkpoint: neither ${FILES.weights} nor checkpoints/best or last` : 'there is no such folder';
  throw userError('checkpoint', { where: path, message, fix: 'name a run or a checkpoint, as in runs/latest or runs/esmm/001/checkpoints/last' });
}

/**
 * Reads a checkpoint, and holds every file that it reads against the manifest.
 * @param withOptimizer whether the optimizer's state is needed too
 * @throws UserError (checkpoint) for a file that is missing or not what it should be
 */
export async function readCheckpoint(folder: string, withOptimizer: boolean): Promise<Checkpoint> {
  const digests = await readManifest(folder);
  const state = parseJson(join(folder, FILES.state), await readText(folder, FILES.state, digests), stateSchema);
  const fitted = parseJson(join(folder, FILES.features), await readText(folder, FILES.features, digests), z.record(z.string(), z.unknown()));
  const config = await readText(folder, FILES.config, digests);
  const tensors = async (name: typeof FILES.weights | typeof FILES.optimizer): Promise<ProgramState['weights']> => {
    const path = join(folder, name);
    await checkSize(path, digests[name].bytes);
    return floats(path, await readSafetensors(path, digests[name]));
  };
  return {
    program: { step: state.step, weights: await tensors(FILES.weights), optimizer: withOptimizer ? await tensors(FILES.optimizer) : new Map() },
    loop: state.loop,
    fitted,
    config,
  };
}

function floats(path: string, tensors: ReadonlyMap<string, StoredTensor>): ProgramState['weights'] {
  const result = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, { shape, data }] of tensors) {
    if (!(data instanceof Float32Array)) throw userError('checkpoint', { where: path, key: name, message: 'expected numbers of type F32' });
    result.set(name, { shape, data });
  }
  return result;
}
