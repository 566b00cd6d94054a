import type { ChunkStream } from './chunk-stream.js';

/** The first records of a stream that it has at present, as a stream of its own, which counts them. */
export interface HeadStream extends ChunkStream {
  /** Number of records, with invalid ones, that the last read yielded. */
  readonly records: number;
}

/** Returns the records of a stream up to the chunk with record `maxRecords`. */
export function headOf(stream: ChunkStream, maxRecords: number): HeadStream {
  let records = 0;
  return {
    name: stream.name,
    get records() {
      return records;
    },
    async *read(reading) {
      records = 0;
      for await (const each of stream.read({ ...reading, isPreview: true, endsWhenEmpty: true })) {
        records += each.chunk.rows + (each.chunk.invalid?.length ?? 0);
        yield each;
        if (records >= maxRecords) return;
      }
    },
    lag: () => stream.lag(),
    close: () => stream.close(),
  };
}
