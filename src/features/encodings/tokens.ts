import { z } from 'zod';
import { parseText } from '../parse.js';
import { growTable } from '../vocabulary/grow-table.js';
import { addCounts, type CountedTexts } from '../vocabulary/rare-texts.js';
import { TextCounter } from '../vocabulary/text-counter.js';
import { createTextTable, findIds, idOf, isTextTable, type TextTable } from '../vocabulary/text-table.js';
import { textsFrom } from '../vocabulary/string-pool.js';
import { createUtf8Writer } from '../vocabulary/utf8.js';
import { defineEncoding } from './encoding.js';

const textsSchema = z.union([z.array(z.string()), z.custom<TextTable>(isTextTable)]);
/** `rare` contains strings below `minCount`; the next run adds their counts to its own. */
const fittedSchema = z
  .strictObject({
    vocabulary: textsSchema,
    rare: textsSchema.optional(),
    rareCounts: z.array(z.tuple([z.int().min(1), z.int().min(1)])).optional(),
  })
  .refine(
    ({ rare, rareCounts }) => countStrings(rare) === (rareCounts ?? []).reduce((sum, [, texts]) => sum + texts, 0),
    { path: ['rareCounts'], error: 'expected a count for each string of rare' },
  );

/**
 * Strings mapped to ids from 1 by a vocabulary that is fitted on the training set: most frequent first, then in string
 * order. Values below the minimum count, unknown and missing values are 0, the out-of-vocabulary id.
 */
export const tokens = defineEncoding({
  name: 'tokens',
  summary: 'strings mapped to ids by a vocabulary fitted on the training set',
  takesText: true,
  options: () => ({
    minCount: z
      .int()
      .min(1)
      .default(1)
      .describe('Minimum count of a token in the training set; rarer tokens are out of vocabulary'),
  }),

  whileLearning: ['minCount'],

  build: ({ minCount }, field) => ({
    learnsTexts: true,
    startFit: () => {
      const counter = new TextCounter(field);
      return {
        check: parseText,
        observe: (text) => counter.count(text),
        direct: {
          cell: 'token',
          idOf: (bytes, begin, end) => counter.numberOf(bytes, begin, end),
          idsOf: counter.numbersOf,
          observe: (number) => counter.countAgain(number),
        },
        finish: () => {
          const rare = counter.rare(minCount);
          return toFitted({ vocabulary: createTextTable(counter.frequent(minCount)), rare });
        },
      };
    },

    encoder: (fitted) => {
      const table = fromFitted(fitted).vocabulary;
      const utf8 = createUtf8Writer();
      return {
        rows: table.offsets.length,
        rule: { kind: 'text', texts: table, empty: 0, cells: 1 },
        vocabularyBytes: table.bytes.byteLength + table.offsets.byteLength + table.slots.byteLength,
        direct: {
          cell: 'token',
          idOf: (bytes, begin, end) => idOf(table, bytes, begin, end),
          idsOf: (cells, rows, into, first) => findIds(table, cells, rows, into, first),
        },
        encode: (text) => {
          const length = utf8.write(parseText(text));
          return idOf(table, utf8.bytes, 0, length);
        },
      };
    },

    grow(before, now, drops) {
      const [was, is] = [fromFitted(before), fromFitted(now)];
      // A string that is too rare in this run is dropped, whatever its count in previous runs.
      const { vocabulary, rare } = drops ? is : addCounts(was, is, minCount, field);
      const { table, ...changes } = growTable(was.vocabulary, vocabulary, field, drops);
      return { fitted: toFitted({ vocabulary: table, rare }), ...changes };
    },
  }),
});

function toFitted({ vocabulary, rare }: CountedTexts): z.output<typeof fittedSchema> {
  if (rare === undefined || rare.counts.length === 0) return { vocabulary };
  return {
    vocabulary,
    rare: createTextTable(rare.texts),
    rareCounts: rare.counts.map(([count, texts]) => [count, texts]),
  };
}

/** Parses what was fitted; old versions have no rare strings. */
function fromFitted(fitted: unknown): CountedTexts {
  const { vocabulary, rare, rareCounts } = fittedSchema.parse(fitted);
  return {
    vocabulary: toTable(vocabulary),
    rare: rare === undefined ? undefined : { texts: toTable(rare), counts: rareCounts! },
  };
}

function toTable(texts: z.output<typeof textsSchema>): TextTable {
  return Array.isArray(texts) ? createTextTable(textsFrom(texts)) : texts;
}

function countStrings(texts: z.output<typeof textsSchema> | undefined): number {
  return texts === undefined ? 0 : Array.isArray(texts) ? texts.length : texts.offsets.length - 1;
}
