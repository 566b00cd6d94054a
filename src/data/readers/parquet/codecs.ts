import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Decompress } from 'fzstd';
import { snappyUncompress, type CompressionCodec } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { lz4Block, lz4Hadoop } from './lz4.js';

/** Pages of at least so many bytes reuse memory, although their decoder is slower: large garbage is freed late. */
const LARGE_BYTES = 1 << 21;

/**
 * Decompresses a page of `size` bytes. An empty page may have no bytes, whatever the codec.
 * @param memoryOf returns memory for so many bytes
 * @throws Error for a page that is damaged, or has another size
 */
export function decompress(
  codec: CompressionCodec,
  bytes: Buffer,
  size: number,
  memoryOf: (size: number) => Buffer,
): Buffer {
  if (size < 0) throw new Error(`a page declares ${size} bytes`);
  if (codec === 'UNCOMPRESSED') return checked(bytes, size);
  if (size === 0) return Buffer.alloc(0);
  switch (codec) {
    case 'SNAPPY':
      return snappy(bytes, size, memoryOf);
    case 'GZIP':
      return checked(gunzipSync(bytes, { maxOutputLength: size }), size);
    case 'BROTLI':
      return checked(brotliDecompressSync(bytes, { maxOutputLength: size }), size);
    case 'ZSTD':
      return zstd(bytes, memoryOf(size));
    case 'LZ4':
    case 'LZ4_RAW': {
      const output = memoryOf(size);
      return checked(output, size, (codec === 'LZ4' ? lz4Hadoop : lz4Block)(bytes, output));
    }
    default:
      throw new Error(`its codec ${codec} is not supported`);
  }
}

/** Checks the size first, since the decoder trusts the size in the bytes. */
function snappy(bytes: Buffer, size: number, memoryOf: (size: number) => Buffer): Buffer {
  let declared = 0;
  for (let at = 0, factor = 1; at < bytes.length; at++, factor *= 128) {
    declared += (bytes[at]! & 127) * factor;
    if (bytes[at]! < 128) break;
  }
  checked(bytes, size, declared);
  if (size < LARGE_BYTES) return Buffer.from(compressors.SNAPPY!(bytes, size).buffer);
  const output = memoryOf(size);
  snappyUncompress(bytes, output);
  return output;
}

/** Decompresses consecutive frames. The decoder ignores the size that a frame declares. */
function zstd(bytes: Buffer, output: Buffer): Buffer {
  let length = 0;
  const decoder = new Decompress((block) => {
    if (length + block.length <= output.length) output.set(block, length);
    length += block.length;
  });
  decoder.push(bytes, true);
  return checked(output, output.length, length);
}

function checked(bytes: Buffer, size: number, length = bytes.length): Buffer {
  if (length !== size) throw new Error(`a page has ${length} bytes, but its header declares ${size}`);
  return bytes;
}
