import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { userError } from '../../errors.js';
import { peeked, type ByteStream } from './byte-stream.js';

/** RFC 1952, 2.3.1. */
const GZIP_MAGIC = Buffer.of(0x1f, 0x8b);
/** Byte order marks of what is not read (https://www.unicode.org/faq/utf_bom.html#bom4), longer ones first. */
const ENCODINGS = [
  [Buffer.of(0xff, 0xfe, 0, 0), 'UTF-32'],
  [Buffer.of(0, 0, 0xfe, 0xff), 'UTF-32'],
  [Buffer.of(0xff, 0xfe), 'UTF-16'],
  [Buffer.of(0xfe, 0xff), 'UTF-16'],
] as const;
/** Bytes at the beginning of a file that tell what it is. */
export const MAGIC_BYTES = 8;

/** Whether bytes that begin like this are taken as they are. */
export function isPlainText(start: Buffer): boolean {
  return !startsWith(start, GZIP_MAGIC) && !ENCODINGS.some(([mark]) => startsWith(start, mark));
}

/**
 * What a stream holds, decompressed, as UTF-8.
 * @throws UserError (data) for what is no text
 */
export async function* textStream(path: string, stream: AsyncIterable<Uint8Array>): ByteStream {
  yield* asUtf8(path, decompressed(stream));
}

async function* decompressed(stream: AsyncIterable<Uint8Array>): ByteStream {
  const [start, bytes] = await peeked(stream, MAGIC_BYTES);
  if (!startsWith(start, GZIP_MAGIC)) yield* bytes;
  // What fails is thrown where it is read.
  else yield* pipeline(bytes, createGunzip({ chunkSize: 1 << 18 }), () => undefined) as ByteStream;
}

async function* asUtf8(path: string, stream: ByteStream): ByteStream {
  const [start, bytes] = await peeked(stream, MAGIC_BYTES);
  const encoding = ENCODINGS.find(([mark]) => startsWith(start, mark))?.[1];
  if (encoding !== undefined) throw userError('data', { where: path, message: `is ${encoding} text; expected UTF-8`, fix: `convert it: iconv -f ${encoding} -t UTF-8 ${path}` });
  yield* bytes;
}

function startsWith(bytes: Buffer, magic: Buffer): boolean {
  return bytes.subarray(0, magic.length).equals(magic);
}
