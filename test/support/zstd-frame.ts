import { createByteHash } from '../../src/io/byte-hash.js';

/** A zstd frame of raw or run-length blocks. */
export async function storedFrame(
  blocks: readonly (Buffer | { readonly byte: number; readonly times: number })[],
  { window = 0, dictionary = 0 } = {},
): Promise<Buffer> {
  const hash = await createByteHash();
  const parts = [
    Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 4 + (dictionary > 0 ? 1 : 0), window),
    ...(dictionary > 0 ? [Buffer.of(dictionary)] : []),
  ];
  for (const [i, block] of blocks.entries()) {
    const isRun = 'times' in block;
    const content = isRun ? Buffer.alloc(block.times, block.byte) : Buffer.from(block);
    hash.update(content);
    const header = Buffer.alloc(3);
    header.writeUIntLE((content.length << 3) + (isRun ? 2 : 0) + (i === blocks.length - 1 ? 1 : 0), 0, 3);
    parts.push(header, isRun ? Buffer.of(block.byte) : content);
  }
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(parseInt(hash.content().hash.slice(-8), 16));
  return Buffer.concat([...parts, checksum]);
}
