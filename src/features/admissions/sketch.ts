import { z } from 'zod';
import { parseBytes } from '../../text/number-text.js';
import { CountSketch, MAX_SKETCH_BYTES, MIN_SKETCH_BYTES } from '../vocabulary/count-sketch.js';
import { countOption, defineAdmission } from './admission.js';

const MEMORY_FORM = 'expected a size from 1kB to 1GiB, such as 16MB';

/** Admits a token at its Nth occurrence by a count-min sketch: no tokens are stored, and some are admitted early. */
export const sketch = defineAdmission({
  name: 'sketch',
  summary: 'tokens at about their Nth occurrence, by a count-min sketch of bounded size',
  options: () => ({
    count: countOption,
    memory: z
      .string()
      .refine((text) => isSketchSize(parseBytes(text)), MEMORY_FORM)
      .default('16MB')
      .describe('Memory of the sketch, such as 16MB'),
    halveEvery: z
      .int()
      .min(1)
      .optional()
      .describe('Occurrences after which all counts are halved; default: half the counters of a hash function'),
  }),

  build({ count, memory, halveEvery }, minCount) {
    const admitCount = count ?? minCount;
    return {
      fitCount: admitCount,
      start({ rare, sketch: stored }) {
        const counts = new CountSketch({ bytes: parseBytes(memory)!, maxCount: admitCount, halveEvery });
        if (stored !== undefined) counts.restore(stored);
        for (const { text, count: occurrences } of rare)
          for (let i = 0; i < occurrences; i++) counts.add(text, 0, text.length);
        return {
          sketch: counts,
          admits: ({ bytes, begin, end }, { hasRow }) => counts.add(bytes, begin, end) >= admitCount && hasRow(),
        };
      },
    };
  },
});

function isSketchSize(bytes: number | undefined): boolean {
  return bytes !== undefined && bytes >= MIN_SKETCH_BYTES && bytes <= MAX_SKETCH_BYTES;
}
