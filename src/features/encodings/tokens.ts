import { z } from 'zod';
import { parseText } from '../parse.js';
import { growTable } from '../vocabulary/grow-table.js';
import { createTextCounter } from '../vocabulary/text-counter.js';
import { createTextTable, idOf, isTextTable, type TextTable } from '../vocabulary/text-table.js';
import { textsFrom } from '../vocabulary/texts.js';
import { createUtf8Writer } from '../vocabulary/utf8.js';
import { defineEncoding } from './encoding.js';

const fittedSchema = z.strictObject({ vocabulary: z.union([z.array(z.string()), z.custom<TextTable>(isTextTable)]) });

/**
 * Cells of any text, numbered from 1 by a vocabulary that is fitted on train: the most frequent first, then in the order of
 * their characters. What is rarer than the minimum count, never seen, or empty is 0, the unknown.
 */
export const tokens = defineEncoding({
  name: 'tokens',
  summary: 'cells are any text, numbered by a vocabulary fitted on train',
  takesText: true,
  options: () => ({
    minCount: z.int().min(1).default(1).describe('rarer tokens become the unknown'),
  }),

  whileLearning: ['minCount'],

  build: ({ minCount }, field) => ({
    learnsTexts: true,
    startFit: () => {
      const counter = createTextCounter(field);
      return {
        check: parseText,
        observe: (text) => counter.count(text),
        direct: { cell: 'token', idOf: (bytes, begin, end) => counter.numberOf(bytes, begin, end), observe: (number) => counter.countAgain(number) },
        finish: () => ({ vocabulary: createTextTable(counter.frequent(minCount)) }),
      };
    },

    encoder: (fitted) => {
      const table = tableOf(fitted);
      const utf8 = createUtf8Writer();
      return {
        rows: table.offsets.length,
        rule: { kind: 'text', texts: table, empty: 0, cells: 1 },
        vocabularyBytes: table.bytes.byteLength + table.offsets.byteLength + table.slots.byteLength,
        direct: { cell: 'token', idOf: (bytes, begin, end) => idOf(table, bytes, begin, end) },
        encode: (text) => {
          const length = utf8.write(parseText(text));
          return idOf(table, utf8.bytes, 0, length);
        },
      };
    },

    grow(before, now, drops) {
      const { table, ...changes } = growTable(tableOf(before), tableOf(now), field, drops);
      return { fitted: { vocabulary: table }, ...changes };
    },
  }),
});

function tableOf(fitted: unknown): TextTable {
  const { vocabulary } = fittedSchema.parse(fitted);
  return Array.isArray(vocabulary) ? createTextTable(textsFrom(vocabulary)) : vocabulary;
}
