import { z } from 'zod';
import type { OptionsOf } from '../core/component.js';
import { columnName } from '../core/tasks.js';
import { embeddingWidth } from './embedded.js';
import { buildEncoding, encodingOption, textEncodings } from './encodings/encodings.js';
import { hash } from './encodings/hash.js';
import { CELL_SEPARATOR, BadValue, type Encoder, type Encoding } from './feature.js';
import { defineColumnGroup } from './field-group.js';
import { MAX_BUCKETS } from './murmur.js';
import { quoted } from '../core/errors.js';

const crossed = z
  .array(columnName)
  .min(2)
  .max(8)
  .superRefine((columns, context) => {
    for (const [j, column] of columns.entries()) {
      if (columns.indexOf(column) < j)
        context.addIssue({ code: 'custom', path: [j], message: `column '${column}' is listed twice; remove one` });
    }
  });

const options = () => ({
  width: embeddingWidth,
  buckets: z
    .int()
    .min(1)
    .max(MAX_BUCKETS)
    .optional()
    .describe('Number of hash buckets per cross, besides the out-of-vocabulary id'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0)
    .describe('Hash seed'),
  encoding: encodingOption
    .optional()
    .describe('Encoding in place of buckets; tokens gives each combination of the training set its own row'),
});
type CrossOptions = OptionsOf<ReturnType<typeof options>>;

/**
 * Combinations of columns: the values of a row are joined to one string, which is hashed or encoded. If one of them is
 * missing, the result is 0, the out-of-vocabulary id. The field is named after its columns, such as 205_X_101.
 */
export const cross = defineColumnGroup(
  {
    name: 'cross',
    summary: 'combination of several columns, hashed or tokenized, and embedded',
    options,
    either: ['buckets', 'encoding'],

    *check({ buckets, encoding }: CrossOptions) {
      if (buckets === undefined && encoding === undefined)
        yield { path: [], message: 'has neither buckets nor encoding; set one, such as encoding: tokens' };
      if (buckets !== undefined && encoding !== undefined)
        yield { path: ['encoding'], message: 'buckets and encoding are mutually exclusive; remove one' };
      if (encoding !== undefined && !textEncodings.includes(encoding.name))
        yield {
          path: ['encoding'],
          message:
            `expected ${textEncodings.slice(0, -1).join(', ')} or ${textEncodings.at(-1)}, ` +
            `found ${quoted(encoding.name)}, which does not encode strings`,
        };
    },

    build(columns, { width, buckets, seed, encoding }: CrossOptions) {
      const name = columns.join('_X_');
      const encodedAs = `a cross of ${columns.join(' and ')}`;
      const { meaning, ...rest } =
        encoding === undefined
          ? { ...hash.build({ buckets: buckets!, seed }, name), meaning: `buckets ${buckets}, seed ${seed}` }
          : buildEncoding(encoding, name);
      return [
        {
          name,
          columns,
          owner: name,
          width,
          kind: 'id',
          encodedAs,
          meaning: `${encodedAs}, ${meaning}`,
          ...combineColumns(rest, columns.length),
        },
      ];
    },
  },
  {
    keys: { columns: crossed.describe('Columns combined into one field') },
    // The schema guarantees its type.
    read: ({ columns }) => columns as string[],
    plain: crossed.describe('Columns combined into one field'),
    expected: 'expected a list of columns to combine, as in fields: [[user, item]], or a map with columns',
  },
);

const AMBIGUOUS = new BadValue('values without the control character U+001F, which separates the values of a cross');

/**
 * Adapts an encoding to several columns; a missing value makes the combination out of vocabulary, and it is not fitted.
 */
function combineColumns(
  { startFit, encoder, grow, growth }: Omit<Encoding, 'encodedAs' | 'meaning'>,
  count: number,
): Omit<Encoding, 'encodedAs' | 'meaning'> {
  const isWhole = (text: string): boolean => {
    const cells = text.split(CELL_SEPARATOR);
    if (cells.length !== count) throw AMBIGUOUS;
    return !cells.includes('');
  };
  return {
    grow,
    growth,
    startFit:
      startFit &&
      (() => {
        const fit = startFit();
        return {
          check: (text) => {
            if (isWhole(text)) fit.check(text);
          },
          observe: (text) => {
            if (isWhole(text)) fit.observe(text);
          },
          finish: () => fit.finish(),
        };
      }),
    encoder: (...args) => {
      const inner = encoder(...args);
      return {
        ...inner,
        rule: inner.rule && { ...inner.rule, cells: count },
        encode: (text) => (isWhole(text) ? inner.encode(text) : 0),
        direct: joinedCast(inner.direct),
      };
    },
  };
}

/** Casts the joined bytes of the columns, if the encoding reads strings; an unknown token is out of vocabulary. */
function joinedCast(direct: Encoder['direct']): Encoder['direct'] {
  if (direct?.cell === 'text') return direct;
  return direct?.cell === 'token' ? { cell: 'text', encode: direct.idOf, encodeAll: direct.idsOf } : undefined;
}
