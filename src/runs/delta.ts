import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import { listParts, selectRows, type HostTensor } from '../core/tensor.js';
import { tableTensor, type ProgramState } from '../engines/engine.js';
import {
  damaged,
  FILES,
  isCompacted,
  readCompacted,
  readManifest,
  UPDATE,
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
  /** The checkpoint before. */
  readonly previous: CheckpointId;
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
  readonly update?: Delta | undefined;
}

/**
 * Selects the rows of this rank that changed since a checkpoint.
 * @param rows in ascending order, by table; all tables
 */
export function selectChanges(
  { step, weights, optimizer, dealt }: ProgramState,
  rows: ReadonlyMap<string, Uint32Array>,
  previous: CheckpointId,
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
    previous,
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
}

/**
 * Reads the manifests of a checkpoint and of those before it, up to a full one.
 * @throws UserError (checkpoint) for a manifest that is missing, invalid or of another checkpoint
 */
export async function readChain(folder: string): Promise<Chain> {
  const deltas: CheckpointFolder[] = [];
  let at = folder;
  let manifest: Manifest = await readManifest(at);
  const { files } = manifest;
  while (manifest.previous !== undefined) {
    if (isCompacted(at)) return { files, base: await readCompacted(at, manifest), deltas };
    const { name, sha256 } = manifest.previous;
    deltas.unshift({ folder: at, manifest });
    const before = join(dirname(at), name);
    if (!existsSync(before)) throw damaged(at, `a delta that requires ${before}, which does not exist`);
    const found = await readManifest(before);
    if (found.sha256 !== sha256)
      throw damaged(at, `a delta that requires another checkpoint than ${before}: the SHA-256 of its manifest differs`);
    at = before;
    manifest = found;
  }
  return { files, base: { folder: at, manifest }, deltas };
}

/** Whether a delta changes the tokens of a vocabulary. */
export function growsVocabulary({ files }: Manifest): boolean {
  return files[FILES.growth] !== undefined;
}

/** A step from a checkpoint to a later one: a delta, or the update of a full checkpoint. */
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
 * @throws UserError (checkpoint) for a manifest that is missing, invalid or of another checkpoint
 */
export async function listDeltasSince(sha256: string, folder: string): Promise<readonly DeltaSince[] | undefined> {
  const deltas: DeltaSince[] = [];
  let at = folder;
  let found = await readManifest(at);
  while (found.sha256 !== sha256) {
    const delta = found.previous === undefined ? await readUpdate(at) : { folder: at, manifest: found };
    if (delta === undefined) return undefined;
    deltas.unshift({ ...delta, checkpoint: at, sha256: found.sha256 });
    // Only a delta has a checkpoint before it.
    const previous = delta.manifest.previous!;
    if (previous.sha256 === sha256) break;
    const isFull = found.previous === undefined || isCompacted(at);
    at = join(dirname(at), previous.name);
    // Neither a full checkpoint nor a compacted delta keeps the checkpoints before it.
    if (isFull && !existsSync(at)) return undefined;
    found = await readManifest(at);
    if (found.sha256 !== previous.sha256 && isFull) return undefined;
    if (found.sha256 !== previous.sha256)
      throw damaged(deltas[0]!.folder, `a delta that requires another checkpoint than ${at}: its SHA-256 differs`);
  }
  return deltas;
}

/** Reads the manifest of the update of a full checkpoint; undefined without one. */
async function readUpdate(checkpoint: string): Promise<CheckpointFolder | undefined> {
  const folder = join(checkpoint, UPDATE);
  if (!existsSync(folder)) return undefined;
  const manifest = await readManifest(folder);
  if (manifest.previous === undefined) throw damaged(folder, 'a full checkpoint in place of an update');
  return { folder, manifest };
}

/** Tensors of a file of a delta. */
export interface DeltaTensors {
  readonly path: string;
  /** Numbers of the rows of tables, by the name of the table's tensor. */
  readonly rows: ReadonlyMap<string, Uint32Array>;
  readonly tensors: Tensors;
  /** Whether it has only shards of a rank other than 0. */
  readonly isPart: boolean;
  /** Whether it may have rows after those of the base. Default: false. */
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

/** Rows that replace those of a tensor. */
export interface Patch {
  /** In ascending order. */
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
