import { z } from 'zod';
import { TextPlace } from '../readers/text-place.js';
import type { ChunkStream, StreamChunk, StreamOpening } from './chunk-stream.js';
import { linesBefore, parseStreamCursor } from './cursor.js';
import type { RecordStream, StreamReading } from './record-stream.js';

const cursorSchema = z.strictObject({
  /** Records before the position. */
  records: z.int().min(0),
  /** Position of the source. */
  source: z.unknown(),
});

/** Returns the rows of a stream of records. */
export function recordChunks(stream: RecordStream, { columns }: StreamOpening): ChunkStream {
  return {
    name: stream.name,
    read: (reading) => readChunks(stream, columns, reading),
    lag: () => stream.lag(),
    close: () => stream.close(),
  };
}

async function* readChunks(
  stream: RecordStream,
  names: readonly string[],
  { from, ...reading }: StreamReading,
): AsyncGenerator<StreamChunk> {
  const columns = { path: stream.name, header: names, indices: new Map(names.map((name, i) => [name, i])) };
  // Loaded on demand.
  const { createLineScanner } = await import('../readers/json-lines.js');
  const scan = createLineScanner(names);
  const begin = from === undefined ? undefined : parseStreamCursor(stream.name, cursorSchema, from);
  let records = begin?.records ?? 0;
  for await (const piece of stream.read({ ...reading, from: begin?.source })) {
    /** Lines of the piece before the chunk. */
    let before = 0;
    for (const chunk of scan(piece.bytes, new TextPlace(0))) {
      const [firstLine, recordsBefore] = [before, records];
      yield {
        chunk,
        columns,
        line: recordsBefore + 1,
        cursorAfter(rows, excludesRest = false) {
          const lines = linesBefore(chunk, rows, excludesRest);
          return { records: recordsBefore + lines, source: piece.cursorAfter(firstLine + lines) };
        },
        ...(piece.placeOf && { placeOf: (line: number) => piece.placeOf!(firstLine + line) }),
      };
      before += chunk.numLines;
      records += chunk.numLines;
    }
  }
}
