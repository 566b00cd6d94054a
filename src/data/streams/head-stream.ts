import { countLines, type RowStream } from './chunk-stream.js';

/** A stream that counts the records, with invalid ones, that its last read yielded. */
export interface CountedStream extends RowStream {
  readonly records: number;
}

/** Returns a stream that also counts its records. */
export function countRecords(stream: RowStream): CountedStream {
  let records = 0;
  return {
    name: stream.name,
    get records() {
      return records;
    },
    async *read(reading) {
      records = 0;
      for await (const each of stream.read(reading)) {
        records += countLines(each.chunk);
        yield each;
      }
    },
  };
}

/** Returns the records that a stream has at present, up to the chunk with record `maxRecords`; they remain in it. */
export function takeHead(stream: RowStream, maxRecords: number): RowStream {
  const counted = countRecords(stream);
  return {
    name: stream.name,
    async *read(reading) {
      for await (const each of counted.read({ ...reading, isPreview: true, endsWhenEmpty: true })) {
        yield each;
        if (counted.records >= maxRecords) return;
      }
    },
  };
}
