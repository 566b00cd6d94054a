import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createByteHash, type ByteHash } from '../../io/byte-hash.js';
import { userError } from '../../core/errors.js';
import {
  fileChunks,
  headChunks,
  readHead,
  streamChunks,
  type ByteChunks,
  type ChunkOptions,
  type FileHead,
} from './byte-chunks.js';
import type { TextEncoding } from '../dialect.js';
import { joinedStream } from './byte-stream.js';
import type { CellFile } from './cell-file.js';
import { hashFiles, statsOf, type Fingerprint } from './fingerprint.js';
import { checkDataFile } from './regular-data.js';
import { isPlainText, textStream } from './text-stream.js';
import { readable, unreadable } from './unreadable.js';

/** Where the bytes of a text come from; they are decompressed, and UTF-8. */
export interface ByteSource extends Pick<CellFile, 'path' | 'stats' | 'fingerprint'> {
  /** Its beginning, before it is read, and as often as that is wanted. */
  look(chunkBytes: number): ByteChunks;
  /** All of it. */
  read(options: ChunkOptions): ByteChunks;
  /** Lets go of what was looked at and will not be read. */
  close(): void;
}

/**
 * Reads the first bytes of a data file.
 * @throws UserError (data) for a file that cannot be read, and for a pipe, socket or device
 */
export function openHead(path: string): FileHead {
  checkDataFile(path);
  try {
    return readHead(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * Opens a file.
 * @param encoding of its text; default: UTF-8, or that of a byte order mark
 * @throws UserError (data) for a file that cannot be read
 */
export function fileSource(path: string, encoding?: TextEncoding, head = openHead(path)): ByteSource {
  const { isWhole: isSmall } = head;
  const isPlain = isPlainText(head.bytes, encoding);
  /** Released by the first look: there may be thousands of files. */
  let unseen: FileHead | undefined = head;
  const takeHead = (): FileHead => {
    const taken = unseen ?? readHead(path);
    unseen = undefined;
    return taken;
  };
  const chunks = (options: ChunkOptions, hash?: ByteHash): ByteChunks =>
    isPlain ? fileChunks(path, options, hash) : decodedChunks(path, encoding, options, hash);
  let known: Fingerprint | undefined;
  return {
    path,
    stats: () => readable(path, () => Promise.resolve(statsOf(path))),
    fingerprint: async (onBytes) => (known ??= await readable(path, () => hashFiles(path, undefined, onBytes))),
    look: (chunkBytes) =>
      isPlain ? headChunks(path, takeHead(), chunkBytes) : chunks({ chunkBytes, room: 0, numKept: 0 }),
    async *read(options) {
      const hash = known === undefined ? await createByteHash() : undefined;
      const whole = isPlain && isSmall && options.numKept === 0 ? readHead(path) : undefined;
      if (whole?.isWhole === true) {
        hash?.update(whole.bytes);
        if (whole.bytes.length > 0) yield { bytes: whole.bytes, progress: 1 };
      } else yield* chunks(options, hash);
      const content = hash?.content();
      // Bytes after compressed data may not have been read.
      if (content !== undefined && (whole?.isWhole === true || content.bytes === (await stat(path)).size))
        known = { '': content };
    },
    close: () => undefined,
  };
}

async function* decodedChunks(
  path: string,
  encoding: TextEncoding | undefined,
  options: ChunkOptions,
  hash: ByteHash | undefined,
): ByteChunks {
  const { size } = await stat(path);
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  const hashed = async function* (): AsyncGenerator<Buffer> {
    // A file without an encoding gives bytes.
    for await (const bytes of file as AsyncIterable<Buffer>) {
      hash?.update(bytes);
      yield bytes;
    }
  };
  yield* streamChunks(textStream(path, hashed(), encoding), options, () => Math.min(1, file.bytesRead / size));
}

let stdin: ByteSource | undefined;

/** Standard input, which is called -. It is one, however often it is asked for. */
export function standardInput(encoding?: TextEncoding): ByteSource {
  return (stdin ??= streamSource(process.stdin, '-', encoding));
}

/**
 * Opens a stream, as that of a pipe, which can be read once.
 * @param path what it is called
 * @param encoding that is said of its text
 */
export function streamSource(stream: AsyncIterable<Uint8Array>, path = '-', encoding?: TextEncoding): ByteSource {
  const text = textStream(path, stream, encoding)[Symbol.asyncIterator]();
  let seen: Buffer[] | undefined = [];
  const isRead = (): Error =>
    userError('data', {
      where: path,
      message: 'is a stream that was already read',
      fix: 'save it to a file, and pass that file',
    });
  const look = async function* (): AsyncGenerator<Buffer> {
    if (seen === undefined) throw isRead();
    yield* seen;
    for (let next = await text.next(); next.done !== true; next = await text.next()) {
      seen.push(next.value);
      yield next.value;
    }
  };
  // How much of it there is nobody knows.
  const progress = (): number => 0;
  return {
    path,
    stats: () => Promise.resolve({}),
    fingerprint: () => Promise.reject(isRead()),
    look: (chunkBytes) => streamChunks(look(), { chunkBytes, room: 0, numKept: 0 }, progress),
    async *read(options) {
      if (seen === undefined) throw isRead();
      const first = seen;
      seen = undefined;
      yield* streamChunks(joinedStream(first, text), options, progress);
    },
    close: () => void text.return?.(),
  };
}
