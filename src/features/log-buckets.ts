import type { Encoding } from './feature.js';
import { parseNumber } from './parse.js';

/** Number of buckets: 64 octaves contain every difference of times in any unit. */
const NUM_OCTAVES = 64;

/** Numbers from 0 on as buckets by octave: 1 below 1, 2 below 3, 3 below 7 and so on; 0 is a missing value. */
export const logBuckets: Encoding = {
  encodedAs: 'the octave of a number',
  meaning: 'the octave of a number',
  encoder: () => ({
    rows: NUM_OCTAVES + 1,
    encode: (text) => (text === '' ? 0 : octave(parseNumber(text))),
    direct: { cell: 'number', encode: octave },
  }),
};

function octave(value: number): number {
  const next = 1 + Math.max(0, value);
  const power = Math.floor(Math.log2(next));
  // A logarithm just below an integer is rounded to it.
  return Math.min(NUM_OCTAVES, 2 ** power > next ? power : 1 + power);
}
