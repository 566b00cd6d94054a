import { murmur3 } from '../core/murmur.js';
import { parseText } from './parse.js';
import { createUtf8Writer } from './vocabulary/utf8.js';

/** A table has another row for out-of-vocabulary values, and its indices are signed. */
export const MAX_BUCKETS = 2 ** 31 - 2;

/**
 * Creates a function from a string to a bucket, 0 to `buckets` - 1: MurmurHash3 of the UTF-8 bytes modulo the number of
 * buckets. The function throws InvalidValueError if the value is not UTF-8.
 */
export function seededHash(buckets: number, seed: number): (text: string) => number {
  const utf8 = createUtf8Writer();
  return (text) => {
    const length = utf8.write(parseText(text));
    return murmur3(utf8.bytes, 0, length, seed) % buckets;
  };
}
