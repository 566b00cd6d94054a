/**
 * Allocates memory that threads share.
 * @param hasSpare whether as many bytes follow, which take no physical memory until they are written; none if this Node
 * or the system cannot allocate them
 */
export function allocateShared(bytes: number, hasSpare = false): SharedArrayBuffer {
  if (hasSpare) {
    try {
      return new SharedArrayBuffer(2 * bytes);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return new SharedArrayBuffer(bytes);
}
