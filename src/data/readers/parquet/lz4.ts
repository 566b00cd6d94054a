// Blocks of LZ4 (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md), checked against the size in the header of
// the page: hyparquet-compressors pads a damaged block with zeros.

/** Every copy has so many bytes more than it declares. */
const MIN_MATCH = 4;
/** Before each block that Hadoop writes: its decompressed and compressed sizes, big-endian. */
const HADOOP_HEADER_BYTES = 8;

/**
 * Decompresses a page of one block to exactly `size` bytes.
 * @throws Error for a block that is damaged or has another size
 */
export function lz4Block(bytes: Uint8Array, size: number): Uint8Array {
  const output = new Uint8Array(size);
  const length = readBlock(bytes, output, 0);
  if (length !== size) throw new Error(`a page has ${length} bytes, but its header declares ${size}`);
  return output;
}

/**
 * Decompresses a page of Parquet's older codec LZ4: blocks as Hadoop writes them, or a block alone.
 * @throws Error for a block that is damaged or has another size
 */
export function lz4Hadoop(bytes: Buffer, size: number): Uint8Array {
  return hadoopBlocks(bytes, size) ?? lz4Block(bytes, size);
}

/** Decompresses blocks of Hadoop; undefined for other bytes. */
function hadoopBlocks(bytes: Buffer, size: number): Uint8Array | undefined {
  const output = new Uint8Array(size);
  let length = 0;
  for (let at = 0; at < bytes.length;) {
    const begin = at + HADOOP_HEADER_BYTES;
    if (begin > bytes.length) return undefined;
    const end = begin + bytes.readUInt32BE(at + 4);
    const next = length + bytes.readUInt32BE(at);
    if (end > bytes.length || next > size) return undefined;
    try {
      if (readBlock(bytes.subarray(begin, end), output, length) !== next) return undefined;
    } catch {
      return undefined;
    }
    length = next;
    at = end;
  }
  return length === size ? output : undefined;
}

/** Decompresses a block to `output` from `begin` on; returns the end of what it wrote. */
function readBlock(bytes: Uint8Array, output: Uint8Array, begin: number): number {
  let at = 0;
  let to = begin;
  const extended = (length: number): number => {
    let sum = length;
    for (let byte = length === 15 ? 255 : 0; byte === 255; sum += byte) {
      if (at >= bytes.length) throw damaged();
      byte = bytes[at++]!;
    }
    return sum;
  };
  while (at < bytes.length) {
    const token = bytes[at++]!;
    const literals = extended(token >> 4);
    if (at + literals > bytes.length || to + literals > output.length) throw damaged();
    output.set(bytes.subarray(at, at + literals), to);
    at += literals;
    to += literals;
    // The last sequence has literals only.
    if (at === bytes.length) return to;
    if (at + 2 > bytes.length) throw damaged();
    const offset = bytes[at]! | (bytes[at + 1]! << 8);
    at += 2;
    const length = extended(token & 15) + MIN_MATCH;
    if (offset === 0 || offset > to - begin || to + length > output.length) throw damaged();
    for (const end = to + length; to < end; to++) output[to] = output[to - offset]!;
  }
  return to;
}

function damaged(): Error {
  return new Error('its LZ4 data is damaged');
}
