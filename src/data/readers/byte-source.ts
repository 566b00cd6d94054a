import { createReadStream, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createByteHash, type ByteHash } from '../../io/byte-hash.js';
import { checkRegularFile } from '../../io/regular-file.js';
import {
  fileChunks,
  readHead,
  streamChunks,
  type ByteChunks,
  type ByteStream,
  type ChunkOptions,
  type FileHead,
} from './byte-chunks.js';
import type { TextEncoding } from '../dialect.js';
import type { CellFile } from './cell-file.js';
import type { DataStream } from './data-stream.js';
import { hashFiles, readFileStats, streamStats, type Fingerprint } from './fingerprint.js';
import { isPlainText, textStream } from './text-stream.js';
import { readable, unreadable } from './unreadable.js';

/** A text as decompressed UTF-8 bytes. */
export interface ByteSource extends Pick<CellFile, 'path' | 'stream' | 'stats' | 'fingerprint'> {
  /** Reads from the beginning, as often as requested, before `read`. */
  look(chunkBytes: number): ByteChunks;
  /** Reads all bytes, or those from an offset on. */
  read(options: ChunkOptions, begin?: number): ByteChunks;
  /** Closes a stream that will not be read. */
  close(): void;
}

/**
 * Reads the first bytes of a data file.
 * @param name path for errors
 * @throws UserError (data) for a file that cannot be read, and for a pipe, socket or device
 */
export function openHead(path: string, name = path): FileHead {
  checkRegularFile(path, { kind: 'data', fix: 'save its output to a file, or pipe it to standard input, named -' });
  try {
    return readHead(path);
  } catch (error) {
    throw unreadable(name, error);
  }
}

/**
 * Opens a file.
 * @param encoding of its text; default: UTF-8, or the encoding of a byte order mark
 * @param name path for errors
 * @throws UserError (data) for a file that cannot be read
 */
export function fileSource(
  path: string,
  encoding?: TextEncoding,
  name = path,
  head = openHead(path, name),
): ByteSource {
  const { isWhole: isSmall } = head;
  const isPlain = isPlainText(head.bytes, encoding);
  /** Released by the first look: there may be thousands of files. */
  let unseen: FileHead | undefined = head;
  const takeHead = (): FileHead => {
    const taken = unseen ?? readHead(path);
    unseen = undefined;
    return taken;
  };
  const decodedChunks = async function* (options: ChunkOptions, begin: number, hash?: ByteHash): ByteChunks {
    const { size } = await stat(path);
    const file = createReadStream(path, { highWaterMark: 1 << 18 });
    // A stream without an encoding yields buffers.
    const text = textStream(name, hashed(file as AsyncIterable<Buffer>, hash), encoding);
    yield* streamChunks(bytesFrom(begin, text), options, () => Math.min(1, file.bytesRead / size));
  };
  const chunks = (options: ChunkOptions, begin: number, hash?: ByteHash): ByteChunks =>
    isPlain ? fileChunks(path, options, begin, hash) : decodedChunks(options, begin, hash);
  let known: Fingerprint | undefined;
  return {
    path: name,
    stats: () => readable(name, () => Promise.resolve(readFileStats(path))),
    fingerprint: async (onBytes) => (known ??= await readable(name, () => hashFiles(path, undefined, onBytes))),
    async *look(chunkBytes) {
      const { bytes, isWhole } = takeHead();
      if (isPlain) yield { bytes, progress: 0 };
      if (!isPlain || !isWhole) yield* chunks({ chunkBytes, room: 0, numKept: 0 }, isPlain ? bytes.length : 0);
    },
    async *read(options, begin = 0) {
      const hash = known === undefined && begin === 0 ? await createByteHash() : undefined;
      const whole = isPlain && isSmall && options.numKept === 0 && begin === 0 ? readHead(path) : undefined;
      if (whole?.isWhole === true) {
        hash?.update(whole.bytes);
        if (whole.bytes.length > 0) yield { bytes: whole.bytes, progress: 1 };
      } else yield* chunks(options, begin, hash);
      const content = hash?.content();
      // Bytes after compressed data may not have been read.
      if (content?.bytes === statSync(path).size) known = { '': content };
    },
    close: () => undefined,
  };
}

/** Yields the bytes of a stream, and adds them to a hash. */
async function* hashed(stream: AsyncIterable<Buffer>, hash: ByteHash | undefined): ByteStream {
  for await (const bytes of stream) {
    hash?.update(bytes);
    yield bytes;
  }
}

/** Drops the bytes before an offset. */
async function* bytesFrom(begin: number, stream: ByteStream): ByteStream {
  let left = begin;
  for await (const bytes of stream) {
    if (left < bytes.length) yield bytes.subarray(left);
    left = Math.max(0, left - bytes.length);
  }
}

/**
 * Opens a stream: its first read takes the bytes from the stream, later ones from the file that keeps them.
 * @param encoding of its text, if it is known
 */
export function streamSource(stream: DataStream, encoding?: TextEncoding): ByteSource {
  const { path } = stream;
  const stats = streamStats();
  const keptSource = (): ByteSource | undefined => stream.kept && fileSource(stream.kept.file, encoding, path);
  const chunks = (bytes: AsyncIterable<Buffer>, options: ChunkOptions, begin = 0): ByteChunks =>
    streamChunks(bytesFrom(begin, textStream(path, bytes, encoding)), options, () => 0);
  return {
    path,
    stream,
    stats: () => Promise.resolve(stats),
    fingerprint: async (onBytes) => ({ '': await stream.content(onBytes) }),
    async *look(chunkBytes) {
      const kept = keptSource();
      yield* kept?.look(chunkBytes) ?? chunks(stream.peek(), { chunkBytes, room: 0, numKept: 0 });
    },
    async *read(options, begin) {
      const kept = keptSource();
      if (kept !== undefined) {
        yield* kept.read(options, begin);
        return;
      }
      try {
        yield* chunks(stream.read(), options, begin);
        await stream.finish();
      } catch (error) {
        await stream.close(error as Error);
        throw error;
      } finally {
        await stream.close();
      }
    },
    close: () => void stream.close(),
  };
}
