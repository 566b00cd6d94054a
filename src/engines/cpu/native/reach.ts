const FLOAT = 4;

/** Bounds of the memory that native kernels use, since they do not check addresses. */
export interface Reach {
  /** The words of the part of fixed size. */
  readonly words: Uint32Array;
  /**
   * Requires that `rows` rows, `ld` words apart, are within the memory.
   * @throws RangeError
   */
  hold(at: number, rows: number, ld: number, columns: number): void;
}

/** Creates the bounds of a memory. */
export function reachOf(memory: WebAssembly.Memory): Reach {
  let { byteLength } = memory.buffer;
  return {
    words: new Uint32Array(memory.buffer),
    hold(at, rows, ld, columns) {
      if (rows === 0) return;
      const end = at + ((rows - 1) * ld + columns) * FLOAT;
      // Bags may have grown the memory.
      if (end > byteLength) ({ byteLength } = memory.buffer);
      if (!(at >= 0 && at % FLOAT === 0 && rows > 0 && ld >= 0 && columns >= 0 && end <= byteLength))
        throw outOfBounds();
    },
  };
}

/** Creates the error that WebAssembly throws for an access out of bounds. */
export function outOfBounds(): RangeError {
  return new RangeError('memory access out of bounds');
}
