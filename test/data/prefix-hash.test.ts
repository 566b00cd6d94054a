import { describe, expect, it } from 'vitest';
import { findChangedBlock, PrefixHash } from '../../src/data/readers/prefix-hash.js';
import { createChance } from './fuzz-case.js';

describe('the hash of a prefix', () => {
  const chance = createChance(7);
  const text = Uint8Array.from({ length: 11_000_000 }, () => chance.below(256));
  const whole = new PrefixHash().after(text).prefix;

  it('does not depend on how the text is cut', () => {
    let hash = new PrefixHash();
    for (let begin = 0, end; begin < text.length; begin = end) {
      end = begin + chance.below(400_000);
      hash = hash.after(text.subarray(begin, end));
    }
    expect(hash.prefix).toEqual(whole);
  });

  it('names the block of a changed byte, with blocks that grow with the text', () => {
    expect(whole).toMatchObject({ blockBytes: 1 << 18 });
    for (const changed of [0, (1 << 18) - 1, 1 << 18, 6_000_000, text.length - 1]) {
      const other = text.slice();
      other[changed]! ^= 1;
      const [begin, end] = findChangedBlock(whole, new PrefixHash().after(other).prefix, text.length)!;
      expect(begin).toBe(changed - (changed % (1 << 18)));
      expect(end).toBe(Math.min(text.length, begin + (1 << 18)));
    }
    expect(findChangedBlock(whole, new PrefixHash().after(text).prefix, text.length)).toBeUndefined();
  });
});
