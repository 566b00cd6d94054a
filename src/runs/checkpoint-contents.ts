import { countElements, listParts, type HostTensor } from '../core/tensor.js';
import type { ProgramState } from '../engines/engine.js';
import type { Fitted } from '../features/feature-types.js';
import { storedFitted } from '../features/fitted.js';
import { lookupTensors, type LookupTables } from '../features/lookups.js';
import { writeSynced, type FileDigest } from '../io/disk.js';
import { writeSafetensors, type StoredTensor } from '../io/safetensors.js';
import { assertFinite } from '../training/divergence.js';
import { allSettledOrThrow } from './await-all.js';
import type { Delta } from './delta.js';
import { FILES, isOptional, type Digests, type FileKey, type FileName } from './manifest.js';
import type { States } from './states.js';

/** Text or tensors of a file. */
type Content = string | ReadonlyMap<string, StoredTensor>;
/** What the files of a checkpoint have. */
export type Contents = { readonly [Key in FileKey]?: Content | undefined };

/** What steps do not change, or change in a state. */
interface Constants {
  readonly fitted: Fitted;
  /** Side tables that the fields read. */
  readonly lookups: LookupTables;
  readonly states: States;
}

/** What a full checkpoint has beside the state sections. */
export interface FullContent extends Constants {
  readonly program: ProgramState;
  /** The resolved config, YAML. */
  readonly config: string;
}

/** Returns what a full checkpoint has beside `state`. */
export function fullContents({ program, config, ...constants }: FullContent): Contents {
  return { ...programContents(program), ...constantContents(constants), config };
}

/** Returns what a delta has beside `state`. */
export function deltaContents({ program, rows, states }: Delta, config: string): Contents {
  return { ...programContents(program, rows), ...states, config };
}

/** Returns the contents of weights, optimizer state and row numbers. */
export function programContents({ weights, optimizer }: ProgramState, rows?: Delta['rows']): Contents {
  return {
    weights: toStoredTensors(weights),
    optimizer: toStoredTensors(optimizer),
    rows: rows && new Map(Array.from(rows, ([name, data]) => [name, { shape: [data.length], data }])),
  };
}

/** Returns the contents of what is fitted, of side tables and of states. */
export function constantContents({ fitted, lookups, states }: Constants): Contents {
  const { json, tensors } = storedFitted(fitted);
  return { features: JSON.stringify(json), vocabularies: tensors, lookups: lookupTensors(lookups), ...states };
}

/**
 * Writes the files of contents concurrently, because each file waits for its own sync.
 * @param pathOf returns the path of a file
 * @throws UserError (disk), or (diverged) for a non-finite value
 */
export async function writeContents(contents: Contents, pathOf: (name: FileName) => string): Promise<Digests> {
  const written = (Object.entries(contents) as [FileKey, Content | undefined][]).map(
    async ([key, content]): Promise<readonly [FileName, FileDigest] | undefined> => {
      const name = FILES[key];
      if (content === undefined) return undefined;
      if (typeof content === 'object' && content.size === 0 && isOptional(key)) return undefined;
      const path = pathOf(name);
      const { bytes, sha256 } = await (typeof content === 'string'
        ? writeSynced(path, content)
        : writeSafetensors(path, content));
      return [name, { bytes, sha256 }];
    },
  );
  return Object.fromEntries((await allSettledOrThrow(written)).filter((digest) => digest !== undefined));
}

/** Estimated size of the config, the loop state and the file headers. */
const OTHER_BYTES = 1 << 20;

/** Estimates the size of contents on disk, in bytes. */
export function contentBytes(contents: Contents): number {
  const tensors = Object.values(contents).flatMap((content) =>
    typeof content === 'object' ? [...content.values()] : [],
  );
  const bytes = tensors.map((tensor) => (tensor.dtype === 'F32' ? floatBytes(tensor) : tensor.data.byteLength));
  return bytes.reduce((sum, each) => sum + each, OTHER_BYTES);
}

/** Returns the size of weights and optimizer state, in bytes. */
export function programBytes({ weights, optimizer }: ProgramState): number {
  return [...weights.values(), ...optimizer.values()].reduce((bytes, tensor) => bytes + floatBytes(tensor), 0);
}

function floatBytes({ shape }: Pick<HostTensor, 'shape'>): number {
  return countElements(shape) * Float32Array.BYTES_PER_ELEMENT;
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
