/** A row-major tensor in memory. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /**
   * Iterates over blocks of whole rows, for callers that do not need all data at once; a block is valid until the next
   * one. Default: a single block.
   */
  readonly parts?: (() => Iterable<Float32Array>) | undefined;
  /** Returns a copy of some rows, for callers that need few of them; default: a copy from `data`. */
  readonly gather?: ((rows: Uint32Array) => Float32Array) | undefined;
}

/** Approximate number of elements per block of a large tensor. */
export const PART_NUMBERS = 1 << 20;

/** Returns the blocks of a tensor. */
export function listParts(tensor: HostTensor): Iterable<Float32Array> {
  return tensor.parts?.() ?? [tensor.data];
}

/** Returns some rows of a matrix, which are read when their data is. */
export function selectRows(tensor: HostTensor, rows: Uint32Array): HostTensor {
  const width = tensor.shape[1]!;
  const gather = tensor.gather ?? ((numbers) => copyRows(tensor.data, numbers, width));
  const most = Math.max(1, Math.floor(PART_NUMBERS / width));
  return {
    shape: [rows.length, width],
    get data() {
      return gather(rows);
    },
    *parts() {
      for (let begin = 0; begin < rows.length; begin += most) yield gather(rows.subarray(begin, begin + most));
    },
  };
}

function copyRows(data: Float32Array, rows: Uint32Array, width: number): Float32Array {
  const copy = new Float32Array(rows.length * width);
  for (const [r, row] of rows.entries()) copy.set(data.subarray(row * width, (row + 1) * width), r * width);
  return copy;
}

/** Returns the index of the first non-finite element, or -1; a plain loop is five times as fast as `findIndex`. */
export function findNonFinite(data: Float32Array, begin = 0, end = data.length): number {
  for (let i = begin; i < end; i++) if (!Number.isFinite(data[i])) return i;
  return -1;
}

/** Returns the number of elements of a shape. */
export function countElements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
