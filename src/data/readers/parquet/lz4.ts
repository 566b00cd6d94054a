// Blocks of LZ4 (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md). hyparquet-compressors pads a damaged
// block with zeros.

/** Every copy has so many bytes more than it declares. */
const MIN_MATCH = 4;
/** Before each block that Hadoop writes: its decompressed and compressed sizes, big-endian. */
const HADOOP_HEADER_BYTES = 8;

/**
 * Decompresses a block to `output` from `begin` on.
 * @returns the end of the decompressed bytes
 * @throws Error for a block that is damaged or larger than the output
 */
export function lz4Block(bytes: Uint8Array, output: Uint8Array, begin = 0): number {
  let at = 0;
  let to = begin;
  const extended = (length: number): number => {
    let sum = length;
    for (let byte = length === 15 ? 255 : 0; byte === 255; sum += byte) byte = bytes[at++] ?? Infinity;
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
    const offset = bytes[at]! | (bytes[at + 1]! << 8);
    at += 2;
    const length = extended(token & 15) + MIN_MATCH;
    if (at > bytes.length || offset === 0 || offset > to - begin || to + length > output.length) throw damaged();
    for (const end = to + length; to < end; to++) output[to] = output[to - offset]!;
  }
  return to;
}

/**
 * Decompresses Parquet's older codec LZ4: blocks as Hadoop writes them, or a block alone.
 * @returns the end of the decompressed bytes
 * @throws Error for a block that is damaged or larger than the output
 */
export function lz4Hadoop(bytes: Buffer, output: Uint8Array): number {
  try {
    let length = 0;
    for (let at = 0; at < bytes.length;) {
      const next = length + bytes.readUInt32BE(at);
      const end = at + HADOOP_HEADER_BYTES + bytes.readUInt32BE(at + 4);
      if (end > bytes.length) throw damaged();
      if (lz4Block(bytes.subarray(at + HADOOP_HEADER_BYTES, end), output, length) !== next) throw damaged();
      length = next;
      at = end;
    }
    if (length === output.length) return length;
  } catch {
    // It is a block alone.
  }
  return lz4Block(bytes, output);
}

function damaged(): Error {
  return new Error('its LZ4 data is damaged');
}
