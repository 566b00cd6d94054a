import { z } from 'zod';
import { murmur3 } from '../../core/murmur.js';
import { MAX_BUCKETS, seededHash } from '../murmur.js';
import { defineEncoding } from './encoding.js';

/**
 * Strings hashed into buckets 1 to `buckets`; a missing value is 0, the out-of-vocabulary id. Nothing is fitted, so
 * values that are not in the training set have a bucket too, which they share with others.
 */
export const hash = defineEncoding({
  name: 'hash',
  summary: 'strings hashed into buckets; nothing is fitted',
  takesText: true,
  options: () => ({
    buckets: z.int().min(1).max(MAX_BUCKETS).describe('Number of hash buckets, besides the out-of-vocabulary id'),
    seed: z
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .default(0)
      .describe('Hash seed'),
  }),

  build({ buckets, seed }) {
    const toBucket = seededHash(buckets, seed);
    const direct = {
      cell: 'text',
      encode: (bytes: Uint8Array, begin: number, end: number) => 1 + (murmur3(bytes, begin, end, seed) % buckets),
    } as const;
    return {
      encoder: () => ({
        rows: buckets + 1,
        rule: { kind: 'hashed', buckets, seed, empty: 0, cells: 1 },
        encode: (text) => (text === '' ? 0 : 1 + toBucket(text)),
        direct,
      }),
    };
  },
});
