import { z } from 'zod';
import { defineCompression } from './compression.js';
import { mapIds } from './map-ids.js';

/**
 * Quotient-remainder embeddings (Shi et al., KDD 2020, section 4.1): the remainder and the quotient of an id by
 * `buckets` select rows of two tables, whose product or sum is different for every id. As a factor, a row of the
 * quotients is added to 1, so that the product starts from the remainder's row.
 */
export const quotientRemainder = defineCompression({
  name: 'quotient-remainder',
  summary: 'two small tables for quotient and remainder of the id (Shi et al. 2020)',
  options: () => ({
    buckets: z.int().min(2).describe('Rows of the table of remainders; the other has ids / buckets rows'),
    operation: z.enum(['multiply', 'add']).default('multiply').describe('Combination of both rows'),
  }),
  build({ buckets, operation }, field) {
    const name = `${field.name}_quotient`;
    // Several ids share a row.
    const ownsRow = (): boolean => false;
    const remainder = mapIds(field, `remainder by ${buckets}`, {
      countRows: (ids) => Math.min(ids, buckets),
      map: (id) => id % buckets,
      ownsRow,
    });
    const quotient = mapIds(field, `quotient by ${buckets}`, {
      countRows: (ids) => Math.ceil(ids / buckets),
      map: (id) => Math.floor(id / buckets),
      ownsRow,
    });
    return [remainder, { ...quotient, name, owner: name, composition: { kind: operation, field: field.name } }];
  },
});
