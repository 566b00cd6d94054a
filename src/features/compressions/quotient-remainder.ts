import { z } from 'zod';
import type { Encoder, Encoding, Field } from '../feature.js';
import { defineCompression } from './compression.js';

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
    const remainder = withIds(field, `remainder by ${buckets}`, {
      countRows: (rows) => Math.min(rows, buckets),
      map: (id) => id % buckets,
    });
    const quotient = withIds(field, `quotient by ${buckets}`, {
      countRows: (rows) => Math.ceil(rows / buckets),
      map: (id) => Math.floor(id / buckets),
    });
    return [remainder, { ...quotient, name, owner: name, composition: { kind: operation, field: field.name } }];
  },
});

/** Maps the ids of a field. Rows are shared by several ids, so none is released if the field grows. */
function withIds(
  field: Field,
  label: string,
  { countRows, map }: { countRows(rows: number): number; map(id: number): number },
): Field {
  const { grow } = field;
  return {
    ...field,
    encodedAs: `${field.encodedAs}, ${label}`,
    meaning: `${field.meaning}, ${label}`,
    encoder(fitted): Encoder {
      const { encode, rows, ...inner } = field.encoder(fitted);
      return {
        ...inner,
        rows: countRows(rows),
        encode: (text) => map(encode(text)),
        rule: undefined,
        direct: undefined,
      };
    },
    grow: grow && keepRows(grow),
  };
}

function keepRows(grow: NonNullable<Encoding['grow']>): Encoding['grow'] {
  return (before, now, drops) => ({ ...grow(before, now, drops), cleared: new Uint32Array(0) });
}
