import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { CompressionCodec } from 'hyparquet';
import { snappyUncompress } from 'hyparquet/src/snappy.js';
import { compressors } from 'hyparquet-compressors';
import type { PageMemory } from './page-memory.js';

/** From so many bytes on, memory that is used again is worth more than speed: what is left behind goes late. */
const LARGE = 1 << 21;

/**
 * Decompresses a page to so many bytes, which are valid until something else is read; a page of nothing may be no bytes at all,
 * whatever the codec.
 */
export function decompress(codec: CompressionCodec, bytes: Buffer, size: number, memory: PageMemory): Buffer {
  if (codec === 'UNCOMPRESSED') return checked(bytes, size);
  if (size === 0) return Buffer.alloc(0);
  if (codec === 'SNAPPY' && size >= LARGE) {
    const output = memory.output(size);
    snappyUncompress(bytes, output);
    return output;
  }
  const limit = { maxOutputLength: size };
  if (codec === 'GZIP') return checked(gunzipSync(bytes, limit), size);
  if (codec === 'BROTLI') return checked(brotliDecompressSync(bytes, limit), size);
  const own = compressors[codec];
  if (own === undefined) throw new Error(`its codec ${codec} is not known`);
  const { buffer, byteOffset, byteLength } = own(bytes, size);
  return checked(Buffer.from(buffer, byteOffset, byteLength), size);
}

function checked(bytes: Buffer, size: number): Buffer {
  if (bytes.length !== size) throw new Error(`a page has ${bytes.length} bytes, and its header says ${size}`);
  return bytes;
}
