import { Decompress } from 'fzstd';
import { createByteHash } from '../../io/byte-hash.js';
import { userError } from '../../core/errors.js';
import type { ByteStream } from './byte-chunks.js';

// Frames of Zstandard (RFC 8878). fzstd decompresses blocks; this module finds the ends of frames and blocks, and
// checks the size and the checksum of each frame.

const MAGIC = 0xfd2fb528;
/** First of the sixteen magic numbers of skippable frames. */
const SKIPPABLE = 0x184d2a50;
/** Default of `zstd -d`. */
const MAX_WINDOW_BYTES = 2 ** 27;
const HAS_CHECKSUM = 4;
const [RUN_BLOCK, RESERVED_BLOCK] = [1, 3];

/**
 * Decompresses a stream of frames.
 * @throws UserError (data) with the offset of a frame that is damaged, truncated, or requires a dictionary or too large
 * a window
 */
export async function* zstdStream(path: string, stream: ByteStream): ByteStream {
  const input = new ByteReader(stream);
  const refused = (what: string, fix?: string): Error =>
    userError('data', { where: path, message: `${what}, before byte ${input.at}`, ...(fix !== undefined && { fix }) });
  try {
    for (;;) {
      const start = await input.takeUpTo(4);
      if (start.length === 0) return;
      if (start.length < 4) throw new EndsEarly();
      const magic = start.readUInt32LE();
      if (magic === MAGIC) yield* frame(input, start, refused);
      else if (magic >>> 4 === SKIPPABLE >>> 4)
        for (let left = (await input.take(4)).readUInt32LE(); left > 0; left -= 1 << 16)
          await input.take(Math.min(left, 1 << 16));
      else throw refused('is damaged: invalid data follows a zstd frame');
    }
  } catch (error) {
    throw error instanceof EndsEarly ? refused('is truncated: the zstd data ends early') : error;
  } finally {
    await input.close();
  }
}

async function* frame(input: ByteReader, magic: Buffer, refused: (what: string, fix?: string) => Error): ByteStream {
  const { header, hasChecksum, size } = await readHeader(input, refused);
  const hash = await createByteHash();
  let blocks: Buffer[] = [];
  const decoder = new Decompress(
    (bytes) => void blocks.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)),
  );
  // Otherwise fzstd waits for a checksum, which it does not verify.
  header[0]! &= ~HAS_CHECKSUM;
  const decompress = (bytes: Buffer, isLast: boolean): void => {
    try {
      decoder.push(bytes, isLast);
    } catch {
      throw refused('is damaged: invalid zstd data');
    }
  };
  decompress(Buffer.concat([magic, header]), false);
  for (let isLast = false; !isLast;) {
    const blockHeader = await input.take(3);
    const word = blockHeader.readUIntLE(0, 3);
    isLast = (word & 1) === 1;
    const type = (word >>> 1) & 3;
    if (type === RESERVED_BLOCK) throw refused('is damaged: invalid zstd data');
    decompress(Buffer.concat([blockHeader, await input.take(type === RUN_BLOCK ? 1 : word >>> 3)]), isLast);
    for (const block of blocks) hash.update(block);
    yield* blocks.filter(({ length }) => length > 0);
    blocks = [];
  }
  const content = hash.content();
  const checksum = hasChecksum ? (await input.take(4)).readUInt32LE() : undefined;
  if (
    (size !== undefined && size !== content.bytes) ||
    (checksum !== undefined && checksum !== parseInt(content.hash.slice(-8), 16))
  )
    throw refused('is damaged: invalid zstd data');
}

/** Reads the header of a frame after its magic number (RFC 8878, 3.1.1.1). */
async function readHeader(
  input: ByteReader,
  refused: (what: string, fix?: string) => Error,
): Promise<{ readonly header: Buffer; readonly hasChecksum: boolean; readonly size: number | undefined }> {
  const flags = (await input.take(1))[0]!;
  const isSingle = (flags & 32) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3]!;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >>> 6]!;
  const rest = await input.take((isSingle ? 0 : 1) + dictionaryBytes + sizeBytes);
  const at = (isSingle ? 0 : 1) + dictionaryBytes;
  const size =
    sizeBytes === 0
      ? undefined
      : sizeBytes === 8
        ? Number(rest.readBigUInt64LE(at))
        : rest.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  const window = isSingle ? size! : 2 ** (10 + (rest[0]! >>> 3)) * (1 + (rest[0]! & 7) / 8);
  if (window > MAX_WINDOW_BYTES)
    throw refused(
      `requires a window of ${window} bytes, more than the maximum of ${MAX_WINDOW_BYTES}`,
      'compress it without --long or --ultra, or unpack it with: zstd -d --long=31',
    );
  if (rest.subarray(at - dictionaryBytes, at).some((byte) => byte > 0))
    throw refused('requires a zstd dictionary', 'unpack it with: zstd -d -D DICTIONARY');
  return { header: Buffer.concat([Buffer.of(flags), rest]), hasChecksum: (flags & HAS_CHECKSUM) !== 0, size };
}

/** Thrown if a stream ends inside of a frame. */
class EndsEarly extends Error {}

/** Reads a stream by numbers of bytes. */
class ByteReader {
  readonly #bytes: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  /** Number of bytes that were taken. */
  at = 0;

  constructor(stream: ByteStream) {
    this.#bytes = stream[Symbol.asyncIterator]();
  }

  /** Returns a copy of the next bytes, fewer than `count` at the end of the stream. */
  async takeUpTo(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let missing = count; missing > 0;) {
      if (this.#rest.length === 0) {
        const next = await this.#bytes.next();
        if (next.done === true) break;
        this.#rest = next.value;
      }
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      parts.push(part);
      missing -= part.length;
      this.at += part.length;
    }
    return Buffer.concat(parts);
  }

  /** @throws EndsEarly if the stream has fewer bytes */
  async take(count: number): Promise<Buffer> {
    const bytes = await this.takeUpTo(count);
    if (bytes.length < count) throw new EndsEarly();
    return bytes;
  }

  async close(): Promise<void> {
    await this.#bytes.return?.();
  }
}
