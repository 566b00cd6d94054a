import { open } from 'node:fs/promises';

/**
 * Yields the bytes of a file from an offset on, and reads the next ones meanwhile.
 * @param buffers memory for the bytes, at least two; bytes are valid until all other buffers were filled again
 */
export async function* fileBytes(path: string, buffers: readonly Buffer[], start = 0): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  let position = start;
  let next = file.read(buffers[0]!, 0, buffers[0]!.length, position);
  try {
    for (let i = 1; ; i++) {
      const { buffer, bytesRead } = await next;
      if (bytesRead === 0) return;
      position += bytesRead;
      const free = buffers[i % buffers.length]!;
      next = file.read(free, 0, free.length, position);
      // Avoids an unhandled rejection; the awaiting caller receives the error.
      next.catch(() => undefined);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await next.catch(() => undefined);
    await file.close();
  }
}
