import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { userError } from '../../core/errors.js';
import type { TextEncoding } from '../dialect.js';
import type { ByteStream } from './byte-chunks.js';
import { asUtf8 } from './text-encoding.js';

/** First bytes of a gzip file (RFC 1952, section 2.3.1). */
const GZIP_MAGIC = Buffer.of(0x1f, 0x8b);
/** RFC 8878, 3.1.1 and 3.1.2: a frame, or one that is skipped, whose first byte is any of sixteen. */
const ZSTD_MAGIC = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);
const SKIPPABLE_MAGIC = Buffer.of(0x2a, 0x4d, 0x18);
/** Formats that are not read, and their fixes. */
const OTHERS = [
  [Buffer.from('PAR1'), 'Parquet, whose footer is at its end', 'save it to a file: cat FILE > data.parquet'],
  [
    Buffer.from('PK\x03\x04'),
    'a ZIP archive or an .xlsx workbook',
    'save a workbook as CSV; unpack an archive with: unzip -p FILE > data.csv',
  ],
  [Buffer.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), 'compressed with xz', 'unpack it: xz -d FILE'],
  [Buffer.from('BZh91AY&'), 'compressed with bzip2', 'unpack it: bzip2 -d FILE'],
] as const;
/** Byte order marks (https://www.unicode.org/faq/utf_bom.html#bom4), longer ones first. */
const MARKS = [
  [Buffer.of(0xff, 0xfe, 0, 0), 'utf-32'],
  [Buffer.of(0, 0, 0xfe, 0xff), 'utf-32'],
  [Buffer.of(0xff, 0xfe), 'utf-16le'],
  [Buffer.of(0xfe, 0xff), 'utf-16be'],
  [Buffer.of(0xef, 0xbb, 0xbf), 'utf-8'],
] as const;
/** Number of first bytes that show the format of a file. */
const MAGIC_BYTES = 8;

/** Returns whether bytes with this beginning are UTF-8 text that needs no decoding. */
export function isPlainText(start: Buffer, encoding: TextEncoding = 'utf-8'): boolean {
  const mark = markOf(start);
  return (
    encoding === 'utf-8' &&
    (mark === undefined || mark === 'utf-8') &&
    !startsWith(start, GZIP_MAGIC) &&
    !isZstd(start) &&
    !OTHERS.some(([magic]) => startsWith(start, magic))
  );
}

/**
 * Decompresses a stream and converts its text to UTF-8.
 * @param encoding of the text, if it is known
 * @throws UserError (data) if it is not text, or damaged
 */
export async function* textStream(
  path: string,
  stream: AsyncIterable<Uint8Array>,
  encoding?: TextEncoding,
): ByteStream {
  const [start, bytes] = await peek(decompressed(path, stream), MAGIC_BYTES);
  const mark = markOf(start);
  if (mark === 'utf-32')
    throw userError('data', {
      where: path,
      message: 'is UTF-32 text; expected UTF-8',
      fix: `convert it: iconv -f UTF-32 -t UTF-8 ${path}`,
    });
  if (mark !== undefined && encoding !== undefined && mark !== encoding)
    throw userError('data', {
      where: path,
      message: `begins with the byte order mark of ${mark}, but data.encoding is ${encoding}`,
      fix: 'remove data.encoding',
    });
  yield* asUtf8(path, bytes, encoding ?? mark ?? 'utf-8');
}

async function* decompressed(path: string, stream: AsyncIterable<Uint8Array>): ByteStream {
  const [start, bytes] = await peek(stream, MAGIC_BYTES);
  const other = OTHERS.find(([magic]) => startsWith(start, magic));
  if (other !== undefined)
    throw userError('data', {
      where: path,
      message: `is ${other[1]}; expected plain text, gzip or zstd`,
      fix: other[2].replace('FILE', path),
    });
  // The reader receives errors.
  if (startsWith(start, GZIP_MAGIC))
    yield* pipeline(bytes, createGunzip({ chunkSize: 1 << 18 }), () => undefined) as ByteStream;
  // Loaded on demand.
  else if (isZstd(start)) yield* (await import('./zstd-stream.js')).zstdStream(path, bytes);
  else yield* bytes;
}

/** Returns at least `count` first bytes, if there are as many, and the stream from its first byte on. */
async function peek(stream: AsyncIterable<Uint8Array>, count: number): Promise<readonly [Buffer, ByteStream]> {
  const iterator = stream[Symbol.asyncIterator]();
  let start: Buffer = Buffer.alloc(0);
  for (let next; start.length < count && (next = await iterator.next()).done !== true;)
    start = Buffer.concat([start, next.value]);
  const all = async function* (): AsyncGenerator<Buffer> {
    try {
      yield start;
      for (let next; (next = await iterator.next()).done !== true;)
        yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
    } finally {
      await iterator.return?.();
    }
  };
  return [start, all()];
}

/** Returns the number of bytes of a mark of UTF-8 at the beginning of a text. */
export function markBytes(start: Buffer): number {
  return markOf(start) === 'utf-8' ? 3 : 0;
}

function markOf(start: Buffer): (typeof MARKS)[number][1] | undefined {
  return MARKS.find(([mark]) => startsWith(start, mark))?.[1];
}

function isZstd(start: Buffer): boolean {
  return (
    startsWith(start, ZSTD_MAGIC) ||
    (start.length >= 4 && start[0]! >> 4 === 5 && start.subarray(1, 4).equals(SKIPPABLE_MAGIC))
  );
}

function startsWith(bytes: Buffer, magic: Buffer): boolean {
  return bytes.subarray(0, magic.length).equals(magic);
}
