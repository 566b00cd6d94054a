import { z } from 'zod';
import { columnName } from '../tasks.js';
import { embeddingWidth } from './embedded.js';
import { CELL_SEPARATOR, BadValue, defineFeatureType } from './feature.js';
import { MAX_BUCKETS, seededHash } from './murmur.js';

/**
 * Fields that are combinations of columns: the texts of a row's cells together are hashed into buckets 1 to `buckets`. A row in
 * which one of them is empty is 0, the unknown. A field is called after its columns, as in 205_X_101.
 */
export const cross = defineFeatureType({
  name: 'cross',
  summary: 'the combination of several columns, hashed into buckets and embedded',
  options: {
    fields: z.array(z.array(columnName).min(2).max(8)).min(1).describe('lists of columns that are crossed; they need not be features themselves'),
    width: embeddingWidth,
    buckets: z.int().min(1).max(MAX_BUCKETS).describe('rows of the table of each cross beside the unknown'),
    seed: z.int().min(0).max(2 ** 32 - 1).default(0).describe('another one makes other combinations collide'),
  },

  *check({ fields }) {
    for (const [i, columns] of fields.entries()) {
      for (const [j, column] of columns.entries()) {
        if (columns.indexOf(column) < j) yield { path: ['fields', i, j], message: `column '${column}' is in this cross already` };
      }
    }
  },

  build({ fields, width, buckets, seed }) {
    return fields.map((columns) => {
      const name = columns.join('_X_');
      const encodedAs = `a cross of ${columns.join(' and ')}`;
      const bucketOf = seededHash(buckets, seed);
      const ambiguous = new BadValue('cells without the control character U+001F, which stands between the cells of a cross');
      const encode = (text: string): number => {
        const cells = text.split(CELL_SEPARATOR);
        if (cells.length !== columns.length) throw ambiguous;
        return cells.includes('') ? 0 : 1 + bucketOf(text);
      };
      return {
        name,
        columns,
        owner: name,
        width,
        kind: 'id',
        encodedAs,
        meaning: `${encodedAs}, buckets ${buckets}, seed ${seed}`,
        startFit: () => undefined,
        encoder: () => ({ rows: buckets + 1, encode }),
      };
    });
  },
});
