/** Bytes per write: large enough to be fast, small enough to react to signals and to stay in the CPU cache. */
export const PIECE_BYTES = 1 << 20;

/** Splits bytes into pieces of at most `PIECE_BYTES`. */
export function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.byteLength; offset += PIECE_BYTES)
    yield bytes.subarray(offset, offset + PIECE_BYTES);
}

/**
 * Combines small parts into pieces, each valid until the next: a write waits in a queue, which many small writes would
 * do longer than for the disk.
 */
export function* gathered(parts: Iterable<Uint8Array>): Generator<Uint8Array> {
  let memory = Buffer.alloc(0);
  let filled = 0;
  for (const part of parts) {
    for (let offset = 0; offset < part.byteLength;) {
      const next = part.subarray(offset, offset + PIECE_BYTES - filled);
      offset += next.byteLength;
      if (next.byteLength === PIECE_BYTES) {
        yield next;
        continue;
      }
      memory = reserved(memory, filled, filled + next.byteLength);
      memory.set(next, filled);
      filled += next.byteLength;
      if (filled === PIECE_BYTES) {
        yield memory;
        filled = 0;
      }
    }
  }
  if (filled > 0) yield memory.subarray(0, filled);
}

/** Returns memory for `bytes` with what fills the memory before; few bytes get little memory, which costs less. */
function reserved(memory: Buffer<ArrayBuffer>, filled: number, bytes: number): Buffer<ArrayBuffer> {
  if (bytes <= memory.length) return memory;
  const larger = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, Math.max(bytes, 4 * memory.length)));
  larger.set(memory.subarray(0, filled));
  return larger;
}
