import type { ProgramState } from '../engines/engine.js';
import { userError } from '../core/errors.js';
import { countLocalRows } from '../core/process-group.js';
import type { HostTensor } from '../core/tensor.js';
import { allocateShared } from '../core/shared-memory.js';
import type { StoredTensor, TensorReading } from '../io/safetensors.js';
import { damaged } from './manifest.js';

type Tensors = ProgramState['weights'];

export type TensorMemory = Pick<TensorReading, 'isShared' | 'hasSpare' | 'allocate'>;

/** Selects the sharded tensors, which a rank other than 0 saves. */
export function selectLocalShards<Tensor>(
  tensors: ReadonlyMap<string, Tensor>,
  dealt: ProgramState['dealt'],
): ReadonlyMap<string, Tensor> {
  return new Map([...tensors].filter(([name]) => dealt?.has(name) === true));
}

/**
 * Merges the shards of all ranks: row r is on rank r modulo their number.
 * @param path named in errors
 * @param memory of the merged tensors
 * @throws UserError (checkpoint) if the shapes of the shards do not match
 */
export function mergeShards(first: Tensors, parts: readonly Tensors[], path: string, memory: TensorMemory): Tensors {
  if (parts.length === 0) return first;
  const names = new Set(parts.flatMap((part) => [...part.keys()]));
  return new Map(
    [...first].map(([name, tensor]) => [
      name,
      names.has(name)
        ? mergeTensor(
            [first, ...parts].map((part) => part.get(name)),
            `${path}: ${name}`,
            memory,
          )
        : tensor,
    ]),
  );
}

function mergeTensor(
  parts: readonly (HostTensor | undefined)[],
  where: string,
  { isShared = false, hasSpare }: TensorMemory,
): HostTensor {
  const countRows = (part: HostTensor | undefined): number => part?.shape[0] ?? 0;
  const [rows, width] = [parts.reduce((sum, part) => sum + countRows(part), 0), parts[0]!.shape[1] ?? 1];
  const count = rows * width;
  const data = isShared
    ? new Float32Array(allocateShared(count * Float32Array.BYTES_PER_ELEMENT, hasSpare), 0, count)
    : new Float32Array(count);
  for (const [p, part] of parts.entries()) {
    if (countRows(part) !== countLocalRows(rows, { rank: p, size: parts.length }) || part?.shape[1] !== width)
      throw damaged(where, `the shapes of the shards of ${parts.length} ranks do not match`);
    for (let row = 0; row < countRows(part); row++)
      data.set(part.data.subarray(row * width, (row + 1) * width), (row * parts.length + p) * width);
  }
  return { shape: [rows, width], data };
}

/**
 * Converts the tensors of a file, which are read in parts on demand if they are large.
 * @throws UserError (checkpoint) for elements of another type
 */
export function toFloatTensors(path: string, tensors: ReadonlyMap<string, StoredTensor>): ProgramState['weights'] {
  return new Map(
    [...tensors].map(([name, tensor]): [string, HostTensor] => {
      const { dtype, shape, parts } = tensor;
      // Large tensors are read from their file in parts, on demand.
      if (parts === undefined ? !(tensor.data instanceof Float32Array) : dtype !== 'F32')
        throw userError('checkpoint', { where: path, key: name, message: 'expected elements of type F32' });
      // The cast is safe: F32 tensors are stored as Float32Array.
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
