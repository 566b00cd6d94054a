import { z } from 'zod';
import { userError } from '../../core/errors.js';
import { createKeyFinder, findKey } from '../../core/key-table.js';
import { parseText } from '../parse.js';
import { growTable } from '../vocabulary/grow-table.js';
import { addCounts, type CountedTexts } from '../vocabulary/rare-texts.js';
import { TextCounter } from '../vocabulary/text-counter.js';
import { parseGrowth, restoreGrowth, startGrowth } from '../vocabulary/growth-state.js';
import { countTexts, textsSchema, toTextTable } from '../vocabulary/stored-texts.js';
import { firstTexts } from '../vocabulary/string-pool.js';
import { createTextTable, type TextTable } from '../vocabulary/text-table.js';
import { tokenCapacity, isServedTokens, tokenTableBytes, type ServedTokens } from '../vocabulary/token-table.js';
import { createTextFinder, createUtf8Writer } from '../vocabulary/utf8.js';
import type { Encoder, Encoding } from '../feature.js';
import { defineEncoding } from './encoding.js';
import { admitCount, checkGrowthOptions, growthOptions, resolveGrowth, type GrowthSpec } from './growth-options.js';

/** `rare` contains strings below `minCount`; the next run adds their counts to its own. */
const fittedSchema = z
  .strictObject({
    vocabulary: textsSchema,
    rare: textsSchema.optional(),
    rareCounts: z.array(z.tuple([z.int().min(1), z.int().min(1)])).optional(),
  })
  .refine(
    ({ rare = [], rareCounts }) => countTexts(rare) === (rareCounts ?? []).reduce((sum, [, texts]) => sum + texts, 0),
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
    ...growthOptions(),
  }),

  whileLearning: ['minCount', 'capacity', 'admit', 'expire', 'evict'],

  check: checkGrowthOptions,

  build: (spec, field) => ({
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
          observe: (numbers, begin, end) => counter.countAgain(numbers, begin, end),
        },
        finish: () => {
          const minCount = admitCount(spec);
          const rare = counter.rare(minCount);
          const texts = firstTexts(counter.frequent(minCount), spec.capacity);
          return toFitted({ vocabulary: createTextTable(texts), rare });
        },
      };
    },

    encoder: (fitted, numbers) => {
      if (isServedTokens(fitted)) return servedEncoder(fitted);
      const { vocabulary } = fromFitted(fitted);
      if (numbers === undefined) return tableEncoder(vocabulary);
      const { offsets, bytes } = vocabulary;
      return {
        rows: spec.capacity! + 1,
        initialRows: offsets.length,
        vocabularyBytes: bytes.byteLength + offsets.byteLength,
        direct: { cell: 'token', idOf: (bytes, begin, end) => numbers.numberOfBytes(bytes, begin, end) },
        encode: (text) => numbers.numberOf(parseText(text)),
        isTransient: true,
      };
    },

    growth: growthOf(spec, field),

    grow(before, now, drops) {
      const [was, is] = [fromFitted(before), fromFitted(now)];
      // A string that is too rare in this run is dropped, whatever its count in previous runs.
      const { vocabulary, rare } = drops ? is : addCounts(was, is, admitCount(spec), field);
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

/** Encodes strings as their ids in a table. */
function tableEncoder(table: TextTable): Encoder {
  const findText = createTextFinder(table);
  return {
    rows: table.offsets.length,
    rule: { kind: 'text', texts: table, empty: 0, cells: 1 },
    vocabularyBytes: table.bytes.byteLength + table.offsets.byteLength + table.index.byteLength,
    direct: {
      cell: 'token',
      idOf: (bytes, begin, end) => findKey(table, bytes, begin, end),
      idsOf: createKeyFinder(table),
    },
    encode: (text) => findText(parseText(text)),
  };
}

/** Encodes strings as their ids in a table that is replaced while it is served. */
function servedEncoder({ first, table: tokens }: ServedTokens): Encoder {
  const utf8 = createUtf8Writer();
  let table = tokens;
  return {
    rows: tokenCapacity(tokens) + 1,
    usedRows: first.offsets.length,
    rule: { kind: 'text', texts: first, empty: 0, cells: 1 },
    vocabularyBytes: tokenTableBytes(tokens),
    direct: { cell: 'token', idOf: (bytes, begin, end) => findKey(table, bytes, begin, end) },
    encode: (text) => {
      const length = utf8.write(parseText(text));
      return findKey(table, utf8.bytes, 0, length);
    },
    switchTokens: (next) => void (table = next),
  };
}

/** Returns the growth of a vocabulary; undefined without a capacity. */
function growthOf(spec: GrowthSpec, field: string): Encoding['growth'] {
  const options = resolveGrowth(spec);
  if (options === undefined) return undefined;
  const { capacity } = options;
  const start: NonNullable<Encoding['growth']>['start'] = (fitted, seed) => {
    const stored = parseGrowth(fitted);
    const { vocabulary, rare } = fromFitted(fitted);
    const numTokens = vocabulary.offsets.length - 1;
    if (numTokens > capacity)
      throw userError('config', {
        key: `field '${field}'`,
        message: `has ${numTokens} tokens already, but a capacity of ${capacity}`,
        fix: `set capacity to at least ${numTokens}`,
      });
    return stored === undefined
      ? startGrowth(options, { vocabulary, rare }, seed)
      : restoreGrowth(options, stored, seed);
  };
  return { capacity, start };
}

/** Parses what was fitted; old versions have no rare strings, and neither has a vocabulary that grew on a stream. */
function fromFitted(fitted: unknown): CountedTexts {
  const grown = parseGrowth(fitted);
  if (grown !== undefined) return { vocabulary: grown.vocabulary, rare: undefined };
  const { vocabulary, rare, rareCounts } = fittedSchema.parse(fitted);
  return {
    vocabulary: toTextTable(vocabulary),
    rare: rare === undefined ? undefined : { texts: toTextTable(rare), counts: rareCounts! },
  };
}
