import { z } from 'zod';
import { streamKey } from '../../core/random.js';
import { murmur3 } from '../../core/murmur.js';
import { defineAdmission } from './admission.js';

/** Values of a hash. */
const HASHES = 2 ** 32;

/**
 * Admits a token at each occurrence with a probability, thus after 1 / probability occurrences on average. The seed,
 * the number of the batch, the row in it and the token decide, so nothing is stored.
 */
export const probability = defineAdmission({
  name: 'probability',
  summary: 'tokens at each occurrence with a probability; nothing is stored',
  options: () => ({
    probability: z.number().gt(0).max(1).describe('Probability that an occurrence of a token gives it a row'),
  }),

  build: ({ probability: share }, minCount) => ({
    fitCount: minCount,
    start: ({ seed }) => ({
      admits: ({ bytes, begin, end, row }, { now, hasRow }) =>
        murmur3(bytes, begin, end, streamKey(seed, now.batch, row)) < share * HASHES && hasRow(),
    }),
  }),
});
