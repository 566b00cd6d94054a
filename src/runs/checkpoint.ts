import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ProgramState } from '../engines/engine.js';
import { systemCode, userError } from '../errors.js';
import type { Fitted } from '../features/features.js';
import { onDisk, pointLink, writeFolder, writeSynced } from '../disk.js';
import { stoppingStateSchema } from '../training/stopping.js';
import { readSafetensors, writeSafetensors, type StoredTensor } from '../safetensors.js';

const FORMAT_VERSION = 1;

/** Files of a checkpoint: all that is needed to evaluate it, wherever it is copied. */
const FILES = { weights: 'weights.safetensors', optimizer: 'optimizer.safetensors', state: 'state.json', features: 'features.json', config: 'config.yaml' } as const;

const loopStateSchema = z.object({
  /** Whole epochs that are behind. */
  epoch: z.int().min(0),
  /** Epoch of the best weights, 0 before the first is behind. */
  bestEpoch: z.int().min(0),
  stopping: stoppingStateSchema,
});

/** Where the training loop stands. */
export type LoopState = z.output<typeof loopStateSchema>;

const stateSchema = z.object({ formatVersion: z.literal(FORMAT_VERSION), step: z.int().min(0), loop: loopStateSchema });

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
  await writeSafetensors(join(folder, FILES.weights), program.weights);
  await writeSafetensors(join(folder, FILES.optimizer), program.optimizer);
  await writeSynced(join(folder, FILES.features), JSON.stringify(fitted));
  await writeSynced(join(folder, FILES.config), config);
  await writeSynced(join(folder, FILES.state), JSON.stringify({ formatVersion: FORMAT_VERSION, step: program.step, loop }));
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
    return join(path, 'checkpoints', readlinkSync(linked));
  }
  const message = existsSync(path) ? `holds no checkpoint: neither ${FILES.weights} nor checkpoints/best or last` : 'there is no such folder';
  throw userError('checkpoint', { where: path, message, fix: 'name a run or a checkpoint, as in runs/latest or runs/esmm/001/checkpoints/last' });
}

/**
 * Reads a checkpoint.
 * @param withOptimizer whether the optimizer's state is needed too
 * @throws UserError (checkpoint) for a file that is missing or not what it should be
 */
export async function readCheckpoint(folder: string, withOptimizer: boolean): Promise<Checkpoint> {
  const state = parsed(join(folder, FILES.state), await readText(join(folder, FILES.state)), stateSchema);
  const fitted = parsed(join(folder, FILES.features), await readText(join(folder, FILES.features)), z.record(z.string(), z.unknown()));
  return {
    program: {
      step: state.step,
      weights: floats(join(folder, FILES.weights), await readSafetensors(join(folder, FILES.weights))),
      optimizer: withOptimizer ? floats(join(folder, FILES.optimizer), await readSafetensors(join(folder, FILES.optimizer))) : new Map(),
    },
    loop: state.loop,
    fitted,
    config: await readText(join(folder, FILES.config)),
  };
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw userError('checkpoint', { where: path, message: `cannot be read (${systemCode(error) ?? String(error)})`, fix: 'take another checkpoint' }, error);
  });
}

function parsed<Schema extends z.ZodType>(path: string, text: string, schema: Schema): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof z.ZodError ? (error.issues[0]?.message ?? '') : 'not JSON';
    throw userError('checkpoint', { where: path, message: `is damaged or of another version (${reason})`, fix: 'take another checkpoint' }, error);
  }
}

function floats(path: string, tensors: ReadonlyMap<string, StoredTensor>): ProgramState['weights'] {
  const result = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, { shape, data }] of tensors) {
    if (!(data instanceof Float32Array)) throw userError('checkpoint', { where: path, key: name, message: 'expected numbers of type F32' });
    result.set(name, { shape, data });
  }
  return result;
}
