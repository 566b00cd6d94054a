import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Decompress } from 'fzstd';
import { snappyUncompress, type CompressionCodec } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { lz4Block, lz4Hadoop } from './lz4.js';
import type { PageMemory } from './page-memory.js';

/** Pages of at least so many bytes reuse memory, although their decoder is slower: large garbage is freed late. */
const LARGE = 1 << 21;

/**
 * Decompresses a page to `size` bytes, which are valid until the next read. An empty page may have no bytes, whatever
 * the codec.
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

/** Checks the size first, since the decoder trusts the size in the bytes. */
function snappy(bytes: Buffer, size: number, memory: PageMemory): Buffer {
  let declared = 0;
  for (let at = 0, factor = 1; at < bytes.length; at++, factor *= 128) {
    declared += (bytes[at]! & 127) * factor;
    if (bytes[at]! < 128) break;
  }
  checkSize(declared, size);
  if (size < LARGE) return checked(bufferOf(compressors.SNAPPY!(bytes, size)), size);
  const output = memory.output(size);
  snappyUncompress(bytes, output);
  return output;
}

/** Decompresses consecutive frames. The decoder ignores the size that a frame declares. */
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
