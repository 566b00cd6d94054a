import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Decompress } from 'fzstd';
import { snappyUncompress, type CompressionCodec } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { lz4Block, lz4Hadoop } from './lz4.js';
import type { PageMemory } from './page-memory.js';

/** From so many bytes on, memory that is used again is worth more than speed: what is left behind goes late. */
const LARGE = 1 << 21;

/**
 * Decompresses a page to so many bytes, which are valid until something else is read; a page of nothing may be no bytes
 * at all,
 * whatever the codec.
 * @throws Error for a page that is damaged, or has another size
 */
export function decompress(codec: CompressionCodec, bytes: Buffer, size: number, memory: PageMemory): Buffer {
  if (size < 0) throw new Error(`a page declares ${size} bytes`);
  if (codec === 'UNCOMPRESSED') return checked(bytes, size);
  if (size === 0) return Buffer.alloc(0);
  const limit = { maxOutputLength: size };
  switch (codec) {
    case 'SNAPPY':
      return snappy(bytes, size, memory);
    case 'GZIP':
      return checked(gunzipSync(bytes, limit), size);
    case 'BROTLI':
      return checked(brotliDecompressSync(bytes, limit), size);
    case 'ZSTD':
      return zstd(bytes, size, memory);
    case 'LZ4':
      return bufferOf(lz4Hadoop(bytes, size));
    case 'LZ4_RAW':
      return bufferOf(lz4Block(bytes, size));
    default:
      throw new Error(`its codec ${codec} is not supported`);
  }
}

/** What decompresses it takes the size from the bytes, and more or less than that is never told. */
function snappy(bytes: Buffer, size: number, memory: PageMemory): Buffer {
  let said = 0;
  for (let at = 0, factor = 1; at < bytes.length; at++, factor *= 128) {
    said += (bytes[at]! & 127) * factor;
    if (bytes[at]! < 128) break;
  }
  checkSize(said, size);
  if (size < LARGE) return checked(bufferOf(compressors.SNAPPY!(bytes, size)), size);
  const output = memory.output(size);
  snappyUncompress(bytes, output);
  return output;
}

/** Frames one behind another. The size that a frame says is not looked at by what decompresses it. */
function zstd(bytes: Buffer, size: number, memory: PageMemory): Buffer {
  const output = memory.output(size);
  let length = 0;
  const decoder = new Decompress((block) => {
    if (length + block.length <= size) output.set(block, length);
    length += block.length;
  });
  decoder.push(bytes, true);
  checkSize(length, size);
  return output;
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function checked(bytes: Buffer, size: number): Buffer {
  checkSize(bytes.length, size);
  return bytes;
}

function checkSize(length: number, size: number): void {
  if (length !== size) throw new Error(`a page has ${length} bytes, but its header declares ${size}`);
}
