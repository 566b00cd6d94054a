/** Powers of x modulo the Castagnoli polynomial (RFC 3720, appendix B.4), bits reversed. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
  return remainder;
});

/** Computes the CRC-32C of bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Rotates and offsets a CRC, so that a CRC over data and its CRC is not constant (TFRecord's `masked_crc32c`). */
function maskCrc(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Bytes before the data of a record (length and its CRC) and after it (CRC of the data). */
const [HEADER_BYTES, FOOTER_BYTES] = [12, 4];

/** Encodes a TFRecord record, the format of event files. */
export function encodeRecord(data: Uint8Array): Buffer {
  const record = Buffer.alloc(HEADER_BYTES + data.length + FOOTER_BYTES);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskCrc(crc32c(record.subarray(0, 8))), 8);
  record.set(data, HEADER_BYTES);
  record.writeUInt32LE(maskCrc(crc32c(data)), HEADER_BYTES + data.length);
  return record;
}

/** Returns the length of the complete records at the start of a file. */
export function countCompleteBytes(bytes: Buffer): number {
  let end = 0;
  for (;;) {
    if (end + HEADER_BYTES > bytes.length) return end;
    const next = end + HEADER_BYTES + Number(bytes.readBigUInt64LE(end)) + FOOTER_BYTES;
    if (next > bytes.length) return end;
    end = next;
  }
}
