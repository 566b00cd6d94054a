import { z } from 'zod';
import { parseText } from '../parse.js';
import { defineEncoding } from './encoding.js';

const fittedSchema = z.strictObject({ vocabulary: z.array(z.string()) });

/**
 * Cells of any text, numbered from 1 by a vocabulary that is fitted on train: the most frequent first, then in the order of
 * their characters. What is rarer than the minimum count, never seen, or empty is 0, the unknown.
 */
export const tokens = defineEncoding({
  name: 'tokens',
  summary: 'cells are any text, numbered by a vocabulary fitted on train',
  options: {
    minCount: z.int().min(1).default(1).describe('rarer tokens become the unknown'),
  },

  build: ({ minCount }) => ({
    startFit: () => {
      const counts = new Map<string, number>();
      return {
        check: parseText,
        observe: (text) => void counts.set(text, (counts.get(text) ?? 0) + 1),
        finish: () => {
          counts.delete('');
          const kept = [...counts].filter(([, count]) => count >= minCount);
          kept.sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
          return { vocabulary: kept.map(([token]) => token) };
        },
      };
    },

    encoder: (fitted) => {
      const { vocabulary } = fittedSchema.parse(fitted);
      const ids = new Map(vocabulary.map((token, i) => [token, i + 1]));
      return { rows: vocabulary.length + 1, encode: (text) => ids.get(parseText(text)) ?? 0 };
    },
  }),
});
