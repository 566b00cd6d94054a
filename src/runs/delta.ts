import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../core/errors.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import { listParts, selectRows, type HostTensor } from '../core/tensor.js';
import { tableTensor, type ProgramState } from '../engines/engine.js';
import {
  damaged,
  FILES,
  listBefore,
  readForm,
  readManifest,
  type CheckpointFolder,
  type CheckpointId,
  type Digests,
  type Manifest,
} from './manifest.js';
import type { StateChanges } from './states.js';

type Tensors = ProgramState['weights'];
export type TensorKind = 'weights' | 'optimizer';

/** Changes since a checkpoint, as tensors of their rows. */
export interface Delta {
  /** The checkpoints before, in order: a full or compacted one, and the deltas after it. */
  readonly before: readonly [CheckpointId, ...CheckpointId[]];
  /** Numbers of the rows of tables, by the name of the table's tensor. */
  readonly rows: ReadonlyMap<string, Uint32Array>;
  /** Rows of the tensors of tables; all other tensors. */
  readonly program: ProgramState;
  readonly states: StateChanges;
}

/** Changes since the checkpoint before, in a form that a checkpoint may have. */
export interface SavedChanges {
  /** Saved instead of all tensors and of what training does not change. */
  readonly delta?: Delta | undefined;
  /** Saved next to all tensors: a server that has loaded the checkpoint before reads nothing else. */
  readonly segment?: Delta | undefined;
}

/**
 * Selects the rows of this rank that changed since a checkpoint.
 * @param rows in ascending order, by table; all tables
 */
export function selectChanges(
  { step, weights, optimizer, dealt }: ProgramState,
  rows: ReadonlyMap<string, Uint32Array>,
  before: Delta['before'],
  peers: ProcessGroup,
  states: StateChanges = {},
): Delta {
  const ranks = (tensor: string): Pick<ProcessGroup, 'rank' | 'size'> =>
    dealt?.has(tensor) === true ? peers : SINGLE_PROCESS;
  const ofTables = new Map(
    Array.from(rows, ([table, numbers]) => {
      const name = tableTensor(table);
      const { rank, size } = ranks(name);
      return [name, size === 1 ? numbers : numbers.filter((row) => row % size === rank)] as const;
    }),
  );
  const select = (tensors: Tensors, kind: TensorKind): Tensors =>
    new Map(
      Array.from(tensors, ([name, tensor]) => {
        const numbers = ofTables.get(tableOf(name, kind));
        if (numbers === undefined) return [name, tensor];
        const { size } = ranks(name);
        return [name, selectRows(tensor, size === 1 ? numbers : numbers.map((row) => Math.floor(row / size)))];
      }),
    );
  return {
    before,
    rows: ofTables,
    states,
    program: {
      step,
      weights: select(weights, 'weights'),
      optimizer: select(optimizer, 'optimizer'),
      ...(dealt !== undefined && { dealt }),
    },
  };
}

/** A checkpoint: a full one and the deltas after it, in order. A compacted delta is a full one itself. */
export interface Chain {
  /** Files that the checkpoint itself has. */
  readonly files: Digests;
  readonly base: CheckpointFolder;
  readonly deltas: readonly CheckpointFolder[];
  /** Identities of the base and the deltas, in order. */
  readonly ids: readonly CheckpointId[];
}

/**
 * Reads the manifests of a checkpoint and of those that it builds on: the last full or compacted one and the deltas
 * after that.
 * @throws UserError (checkpoint) for a manifest that is missing, invalid or of another checkpoint
 */
export async function readChain(folder: string): Promise<Chain> {
  const deltas: CheckpointFolder[] = [];
  const manifest = await readManifest(folder);
  const before = listBefore(manifest);
  let last: CheckpointFolder = { folder, manifest };
  let base = await readForm(last, 'base');
  for (const id of before.toReversed()) {
    if (base !== undefined) break;
    deltas.unshift(last);
    last = await readListed(folder, id);
    base = await readForm(last, 'base');
  }
  if (base === undefined) throw damaged(last.folder, 'a delta that is the base of others, but has none itself');
  const ids = [...before, { name: basename(folder), sha256: manifest.sha256 }].slice(-1 - deltas.length);
  return { files: manifest.files, base, deltas, ids };
}

/** Reads the manifest of a checkpoint that a delta lists. */
async function readListed(folder: string, { name, sha256 }: CheckpointId): Promise<CheckpointFolder> {
  const listed = join(dirname(folder), name);
  if (!existsSync(listed)) throw damaged(folder, `a delta that requires ${listed}, which does not exist`);
  const manifest = await readManifest(listed);
  if (manifest.sha256 === sha256) return { folder: listed, manifest };
  const problem = 'the SHA-256 of its manifest differs';
  throw damaged(folder, `a delta that requires another checkpoint than ${listed}: ${problem}`);
}

/** Whether a delta changes the tokens of a vocabulary. */
export function growsVocabulary({ files }: Manifest): boolean {
  return files[FILES.growth] !== undefined;
}

/** A step from a checkpoint to a later one: a delta, or the segment of a full checkpoint. */
export interface DeltaSince extends CheckpointFolder {
  /** Directory of the later checkpoint, and the digest of its manifest. */
  readonly checkpoint: string;
  readonly sha256: string;
}

/**
 * Lists the deltas from one checkpoint to a later one, in order; undefined if the later one must be read whole. The
 * earlier one may no longer exist.
 * @param sha256 digest of the manifest of the earlier checkpoint
 * @param folder directory of the later one
 * @throws UserError (checkpoint) if the manifest of the later one, or of its segment, is missing or invalid
 */
export async function listDeltasSince(sha256: string, folder: string): Promise<readonly DeltaSince[] | undefined> {
  const deltas: DeltaSince[] = [];
  let at: CheckpointFolder = { folder, manifest: await readManifest(folder) };
  while (at.manifest.sha256 !== sha256) {
    const delta = await readForm(at, 'segment');
    if (delta === undefined) return undefined;
    deltas.unshift({ ...delta, checkpoint: at.folder, sha256: at.manifest.sha256 });
    const before = listBefore(delta.manifest).at(-1)!;
    if (before.sha256 === sha256) break;
    try {
      at = await readListed(at.folder, before);
    } catch (error) {
      // Neither a full checkpoint nor a compacted delta keeps the checkpoints before it.
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }
  return deltas;
}

/** Tensors of a file of a delta. */
export interface DeltaTensors {
  readonly path: string;
  /** Numbers of the rows of tables, by the name of the table's tensor. */
  readonly rows: ReadonlyMap<string, Uint32Array>;
  readonly tensors: Tensors;
  /** Whether it has only shards of a rank other than 0. */
  readonly isPart: boolean;
  /** Whether it may have rows after the rows of the base. Default: false. */
  readonly isGrowing?: boolean;
}

/** What deltas change of a tensor. */
export interface Change {
  /** The tensor itself, or the one that replaces it. */
  readonly whole: HostTensor;
  /** Rows of a table that replace its rows, in order. */
  readonly patches: readonly Patch[];
}

/**
 * Applies deltas to the tensors of their base: in place, or when they are read if the base is read from its file.
 * @param deltas in order
 * @throws UserError (checkpoint) for tensors or rows that the base does not have
 */
export function applyDeltas(base: Tensors, kind: TensorKind, deltas: readonly DeltaTensors[]): Tensors {
  return new Map(
    Array.from(listChanges(base, kind, deltas), ([name, { whole, patches }]) => [name, patchRows(whole, patches)]),
  );
}

/**
 * Lists what deltas change of the tensors of their base.
 * @param deltas in order
 * @throws UserError (checkpoint) for tensors or rows that the base does not have
 */
export function listChanges(
  base: Tensors,
  kind: TensorKind,
  deltas: readonly DeltaTensors[],
): ReadonlyMap<string, Change> {
  return new Map(
    Array.from(base, ([name, tensor]) => {
      let whole = tensor;
      const patches: Patch[] = [];
      let { shape } = tensor;
      for (const { path, rows: ofTables, tensors, isPart, isGrowing = false } of deltas) {
        const changed = tensors.get(name);
        const rows = ofTables.get(tableOf(name, kind));
        if (changed === undefined && !isPart) throw damaged(path, `the tensor '${name}' is missing`);
        if (changed === undefined) continue;
        if (rows === undefined) whole = changed;
        else {
          if (isGrowing) shape = [Math.max(shape[0]!, (rows.at(-1) ?? 0) + 1), shape[1]!];
          patches.push(checkPatch({ rows, tensor: changed }, { shape }, `${path}: ${name}`));
        }
      }
      return [name, { whole: withRows(whole, shape[0]!), patches }];
    }),
  );
}

/** Returns the tensor of the table that a tensor belongs to, if it belongs to any: slots are named `<table>.<slot>`. */
function tableOf(name: string, kind: TensorKind): string {
  return kind === 'weights' ? name : name.slice(0, name.lastIndexOf('.'));
}

/** Rows that replace rows of a tensor. */
export interface Patch {
  /** Row numbers in ascending order. */
  readonly rows: Uint32Array;
  readonly tensor: HostTensor;
}

function checkPatch(patch: Patch, { shape: [numRows = 0, width] }: Pick<HostTensor, 'shape'>, where: string): Patch {
  const { rows, tensor } = patch;
  if (tensor.shape[0] !== rows.length || tensor.shape[1] !== width)
    throw damaged(where, `expected shape [${rows.length}, ${width}], found [${tensor.shape.join(', ')}]`);
  if (rows.some((row, r) => row >= numRows || (r > 0 && row <= rows[r - 1]!)))
    throw damaged(where, `expected ascending row numbers below ${numRows}`);
  return patch;
}

/** Returns a tensor with zeros after its rows, in shared memory if it is. */
function withRows(tensor: HostTensor, numRows: number): HostTensor {
  const { shape } = tensor;
  const [numBefore = 0, width = 1] = shape;
  if (numRows === numBefore || shape.length < 2) return tensor;
  const enlarge = (data: Float32Array): Float32Array => {
    const count = numRows * width;
    const isShared = data.buffer instanceof SharedArrayBuffer;
    const larger = isShared ? new Float32Array(new SharedArrayBuffer(4 * count)) : new Float32Array(count);
    larger.set(data);
    return larger;
  };
  const larger = shape.with(0, numRows);
  if (tensor.parts === undefined) return { shape: larger, data: enlarge(tensor.data) };
  return {
    shape: larger,
    get data() {
      return enlarge(tensor.data);
    },
    *parts() {
      yield* listParts(tensor);
      yield new Float32Array((numRows - numBefore) * width);
    },
  };
}

function patchRows(base: HostTensor, patches: readonly Patch[]): HostTensor {
  if (patches.length === 0) return base;
  const { shape } = base;
  const width = shape[1]!;
  const patchAll = (data: Float32Array): Float32Array => {
    for (const patch of patches) createWriter(patch, width)(0, data);
    return data;
  };
  if (base.parts === undefined) return { shape, data: patchAll(base.data) };
  return {
    shape,
    get data() {
      return patchAll(base.data);
    },
    *parts() {
      const writers = patches.map((patch) => createWriter(patch, width));
      let first = 0;
      for (const part of listParts(base)) {
        for (const write of writers) write(first, part);
        first += part.length / width;
        yield part;
      }
    },
  };
}

/** Returns a function that writes the rows of a patch to a block of rows; each block follows the one before. */
function createWriter({ rows, tensor }: Patch, width: number): (first: number, block: Float32Array) => void {
  const parts = listParts(tensor)[Symbol.iterator]();
  let part = new Float32Array(0);
  let offset = 0;
  let next = 0;
  return (first, block) => {
    for (const end = first + block.length / width; next < rows.length && rows[next]! < end; next++) {
      if (offset === part.length) {
        // The shape of the tensor was checked against its rows.
        part = parts.next().value as Float32Array<ArrayBuffer>;
        offset = 0;
      }
      const at = (rows[next]! - first) * width;
      for (let d = 0; d < width; d++) block[at + d] = part[offset + d]!;
      offset += width;
    }
  };
}
