/** A tensor in plain memory: rows of the last axis lie side by side. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /**
   * The same numbers, some whole rows at a time, for who need not have all of them at once; each part is valid until
   * the next one is asked
   * for. A tensor without it is its only part.
   */
  readonly parts?: (() => Iterable<Float32Array>) | undefined;
}

/** Numbers of a part of a large tensor, about. */
export const PART_NUMBERS = 1 << 20;

/** The numbers of a tensor, in parts where it has some. */
export function listParts(tensor: HostTensor): Iterable<Float32Array> {
  return tensor.parts?.() ?? [tensor.data];
}

/** Number of elements of a shape. */
export function countElements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
