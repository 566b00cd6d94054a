import { userError, type UserError } from '../core/errors.js';
import { allocateShared } from '../core/shared-memory.js';
import { countElements, listParts, type HostTensor } from '../core/tensor.js';
import { TABLE_PREFIX, type ProgramState } from '../engines/engine.js';
import { countRowWords, createRowWriter, type TableFormat } from '../tables/row-formats.js';
import type { TensorMemory } from './sharded-tensors.js';

/**
 * Quantizes the tables among weights, into shared memory. A table that is read on demand is never in memory as a whole.
 * @param folder named in errors
 * @param memory of the result
 * @throws UserError (checkpoint) for an element that is not finite in the format
 */
export function quantizeTables(
  weights: ProgramState['weights'],
  format: TableFormat,
  folder: string,
  { isShared = false, hasSpare = false }: TensorMemory,
): ProgramState['weights'] {
  return new Map(
    Array.from(weights, ([name, tensor]) => {
      if (name.startsWith(TABLE_PREFIX)) return [name, quantizeTable(name, tensor, format, folder, hasSpare)] as const;
      return [name, isShared ? copyToShared(tensor) : tensor] as const;
    }),
  );
}

/** Returns the error for a row with an element that is not finite in a format. */
export function notFinite(folder: string, tensor: string, row: number, format: TableFormat): UserError {
  return userError('checkpoint', {
    where: folder,
    key: tensor,
    message: `row ${row} has an element that is not finite in ${format}`,
    fix: 'use --tables f32',
  });
}

function quantizeTable(
  name: string,
  tensor: HostTensor,
  format: TableFormat,
  folder: string,
  hasSpare: boolean,
): HostTensor {
  const { shape } = tensor;
  const [rows, width] = [shape[0]!, shape[1]!];
  const count = rows * countRowWords(format, width);
  const data = new Float32Array(allocateShared(count * Float32Array.BYTES_PER_ELEMENT, hasSpare), 0, count);
  const write = createRowWriter(format, width, data);
  let row = 0;
  for (const part of listParts(tensor))
    for (let begin = 0; begin < part.length; begin += width, row++)
      if (!write(part, begin, row)) throw notFinite(folder, name, row, format);
  return { shape, data };
}

function copyToShared(tensor: HostTensor): HostTensor {
  const data = new Float32Array(new SharedArrayBuffer(countElements(tensor.shape) * Float32Array.BYTES_PER_ELEMENT));
  data.set(tensor.data);
  return { shape: tensor.shape, data };
}
