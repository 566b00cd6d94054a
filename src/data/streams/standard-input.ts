import { z } from 'zod';
import { readChunks } from '../pipeline.js';
import { CARRY_ROOM } from '../readers/byte-chunks.js';
import { streamSource, type ByteSource } from '../readers/byte-source.js';
import { positionSchema, ReadCursor } from '../readers/read-cursor.js';
import { openStream } from '../readers/data-stream.js';
import type { ChunkStream, StreamChunk, StreamOpening } from './chunk-stream.js';
import { parseStreamCursor, positionIn } from './cursor.js';
import { openGrowingText } from './open-growing.js';
import type { StreamReading } from './record-stream.js';

const cursorSchema = z.strictObject({ input: positionSchema });

/**
 * Opens standard input or a named pipe. A resumed run expects the same bytes from the beginning, and skips those that
 * it was trained on. The last line is a row only if it has a line end.
 * @throws UserError (data) if standard input is a terminal or a device
 */
export function openStandardInput(path: string, opening: StreamOpening): ChunkStream {
  const input = openStream(path);
  const source = streamSource(input, opening.dialect.encoding);
  const closeWith = (reason: unknown): void => void input.close(reason as Error).catch(() => undefined);
  return {
    name: path,
    async *read({ from, signal, isPreview = false }: StreamReading): AsyncGenerator<StreamChunk> {
      signal.throwIfAborted();
      const onAbort = (): void => closeWith(signal.reason);
      signal.addEventListener('abort', onAbort);
      try {
        const rows = await openGrowingText(isPreview ? preview(source) : source, opening);
        const begin = from === undefined ? undefined : parseStreamCursor(path, cursorSchema, from).input;
        const cursor = new ReadCursor(begin === undefined ? {} : { [path]: begin });
        for await (const { chunk, line } of readChunks([rows], () => undefined, {
          cursor,
          isGrowing: true,
          hashesPrefix: true,
        }))
          yield {
            chunk,
            columns: rows.columns,
            line,
            cursorAfter: (count, excludesRest) => ({ input: positionIn(chunk, line, count, excludesRest) }),
          };
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
    lag: () => Promise.resolve(undefined),
    close: () => input.close(),
  };
}

/** Reads the bytes and leaves them in the stream. */
function preview(source: ByteSource): ByteSource {
  return {
    ...source,
    async *read({ chunkBytes }) {
      for await (const { bytes, progress } of source.look(chunkBytes)) {
        // Readers write the beginning of a line before the bytes.
        const memory = Buffer.allocUnsafeSlow(CARRY_ROOM + bytes.length);
        bytes.copy(memory, CARRY_ROOM);
        yield { bytes: memory.subarray(CARRY_ROOM), progress };
      }
    },
  };
}
