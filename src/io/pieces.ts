/**
 * One write: large enough to be fast, small enough that signals are heard between two of them, and that it is in a
 * processor's own memory still when it is written.
 */
export const PIECE_BYTES = 1 << 20;

/** Pieces of some bytes, none longer than that. */
export function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/**
 * Parts put together, each piece valid until the next: a write waits for its turn, which many small ones would do for
 * longer than for the disk.
 */
export function* gathered(parts: Iterable<Uint8Array>): Generator<Uint8Array> {
  let memory: Uint8Array | undefined;
  let filled = 0;
  for (const part of parts) {
    for (let at = 0; at < part.byteLength;) {
      const next = part.subarray(at, at + PIECE_BYTES - filled);
      at += next.byteLength;
      if (next.byteLength === PIECE_BYTES) {
        yield next;
        continue;
      }
      memory ??= Buffer.allocUnsafeSlow(PIECE_BYTES);
      memory.set(next, filled);
      filled += next.byteLength;
      if (filled === PIECE_BYTES) {
        yield memory;
        filled = 0;
      }
    }
  }
  if (filled > 0) yield memory!.subarray(0, filled);
}
