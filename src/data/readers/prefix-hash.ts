import { createHash, type Hash } from 'node:crypto';
import { z } from 'zod';

/** Bytes between two digests, as long as there are few. */
const FIRST_BLOCK_BYTES = 1 << 16;
/** Number of digests at which every second one is dropped. */
const MAX_DIGESTS = 64;
const DIGEST_DIGITS = 16;

/** Digests of the beginning of a text. JSON. */
export const prefixSchema = z.strictObject({
  blockBytes: z.int().min(1),
  /** Hash of the bytes before the end of each block; the last block may be shorter. */
  digests: z.array(z.string().regex(/^[0-9a-f]{16}$/)).max(MAX_DIGESTS),
});
export type Prefix = z.output<typeof prefixSchema>;

/**
 * SHA-256 of the beginning of a text, with a digest after each block. The number of digests is limited: blocks double
 * in size instead. Node can copy the state of this hash in the middle of a text, but not the state of XXH64.
 */
export class PrefixHash {
  readonly #hash: Hash;
  readonly #numBytes: number;
  readonly #blocks: Prefix;

  /** Creates the hash of no bytes. */
  constructor(
    hash = createHash('sha256'),
    numBytes = 0,
    blocks: Prefix = { blockBytes: FIRST_BLOCK_BYTES, digests: [] },
  ) {
    this.#hash = hash;
    this.#numBytes = numBytes;
    this.#blocks = blocks;
  }

  /** Returns the hash with bytes that follow. */
  after(bytes: Uint8Array): PrefixHash {
    const hash = this.#hash.copy();
    let numBytes = this.#numBytes;
    let { blockBytes, digests } = this.#blocks;
    for (let begin = 0, end; begin < bytes.length; begin = end) {
      end = Math.min(bytes.length, begin + blockBytes - (numBytes % blockBytes));
      hash.update(bytes.subarray(begin, end));
      numBytes += end - begin;
      if (numBytes % blockBytes > 0) continue;
      digests = [...digests, digestOf(hash)];
      if (digests.length < MAX_DIGESTS) continue;
      digests = digests.filter((_, i) => i % 2 === 1);
      blockBytes *= 2;
    }
    return new PrefixHash(hash, numBytes, { blockBytes, digests });
  }

  /** Returns the digests after whole blocks, and the digest of all bytes. */
  get prefix(): Prefix {
    const { blockBytes, digests } = this.#blocks;
    const isWhole = this.#numBytes % blockBytes === 0;
    return { blockBytes, digests: isWhole ? [...digests] : [...digests, digestOf(this.#hash)] };
  }
}

/**
 * Finds the first block of a text that has other bytes.
 * @param numBytes length of both texts
 * @returns offsets of its first byte and of the byte after it; undefined if all bytes are the same
 */
export function findChangedBlock(
  { blockBytes, digests }: Prefix,
  found: Prefix,
  numBytes: number,
): readonly [begin: number, end: number] | undefined {
  const index = digests.findIndex((digest, i) => digest !== found.digests[i]);
  return index < 0 ? undefined : [index * blockBytes, Math.min(numBytes, (index + 1) * blockBytes)];
}

function digestOf(hash: Hash): string {
  return hash.copy().digest('hex').slice(0, DIGEST_DIGITS);
}
