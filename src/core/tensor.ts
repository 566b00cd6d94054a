/** A row-major tensor in memory. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /**
   * Iterates over blocks of whole rows, for callers that do not need all data at once; a block is valid until the next
   * one. Default: a single block.
   */
  readonly parts?: (() => Iterable<Float32Array>) | undefined;
}

/** Approximate number of elements per block of a large tensor. */
export const PART_NUMBERS = 1 << 20;

/** Returns the blocks of a tensor. */
export function listParts(tensor: HostTensor): Iterable<Float32Array> {
  return tensor.parts?.() ?? [tensor.data];
}

/** Returns the number of elements of a shape. */
export function countElements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
