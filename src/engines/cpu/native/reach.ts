const FLOAT = 4;

/** What is known of the memory that native kernels work on, which look at no address any more. */
export interface Reach {
  /** The words of the part that does not grow. */
  readonly words: Uint32Array;
  /** Makes sure that so many rows lie within the memory, `ld` words from one to the next. @throws RangeError */
  hold(at: number, rows: number, ld: number, columns: number): void;
}

/** Bounds of a memory. */
export function reachOf(memory: WebAssembly.Memory): Reach {
  let { byteLength } = memory.buffer;
  return {
    words: new Uint32Array(memory.buffer),
    hold(at, rows, ld, columns) {
      if (rows === 0) return;
      const end = at + ((rows - 1) * ld + columns) * FLOAT;
      // Bags make the memory grow.
      if (end > byteLength) ({ byteLength } = memory.buffer);
      if (!(at >= 0 && at % FLOAT === 0 && rows > 0 && ld >= 0 && columns >= 0 && end <= byteLength))
        throw outOfBounds();
    },
  };
}

/** What WebAssembly says in such a case. */
export function outOfBounds(): RangeError {
  return new RangeError('memory access out of bounds');
}
