/** Powers of x modulo the polynomial of Castagnoli (RFC 3720, appendix B.4), bits reversed. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
  return remainder;
});

/** CRC-32C of some bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/**
 * A CRC that is stored beside what it is of is turned and moved, so that a CRC over both is no constant (TFRecord's
 * `masked_crc32c`).
 */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Bytes around the data of a record: its length and a CRC of that before, a CRC of the data behind. */
const [BEFORE, BEHIND] = [12, 4];

/** A record of TFRecord, as event files have them. */
export function encodeRecord(data: Uint8Array): Buffer {
  const record = Buffer.alloc(BEFORE + data.length + BEHIND);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(masked(crc32c(record.subarray(0, 8))), 8);
  record.set(data, BEFORE);
  record.writeUInt32LE(masked(crc32c(data)), BEFORE + data.length);
  return record;
}

/** Bytes of the whole records at the beginning of a file, which may end within one. */
export function wholeRecords(bytes: Buffer): number {
  let end = 0;
  for (;;) {
    if (end + BEFORE > bytes.length) return end;
    const next = end + BEFORE + Number(bytes.readBigUInt64LE(end)) + BEHIND;
    if (next > bytes.length) return end;
    end = next;
  }
}
