import { describe, expect, it } from 'vitest';
import { createByteHash, hashFile } from '../../src/io/byte-hash.js';
import { scratchFile } from '../support/scratch.js';

describe('the hash of bytes', () => {
  it.each([
    ['', 'ef46db3751d8e999'],
    ['abc', '44bc2cf5ad770999'],
    ['The quick brown fox jumps over the lazy dog', '0b242d361fda71bc'],
  ])('is XXH64: of %j it is %s', async (text, expected) => {
    const hash = await createByteHash();
    hash.update(Buffer.from(text));
    expect(hash.content()).toEqual({ bytes: text.length, hash: `xxh64:${expected}` });
    expect(await hashFile(scratchFile('data', text))).toEqual(hash.content());
  });

  it('does not depend on how the bytes are split', async () => {
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * i) % 251));
    const hash = await createByteHash();
    for (let at = 0, step = 1; at < bytes.length; at += step++) hash.update(bytes.subarray(at, at + step));
    const reads: number[] = [];
    expect(await hashFile(scratchFile('data', bytes), (more) => reads.push(more))).toEqual(hash.content());
    expect(reads.reduce((sum, more) => sum + more, 0)).toBe(bytes.length);
  });
});
