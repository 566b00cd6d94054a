import { z } from 'zod';
import { registry } from '../part.js';
import { didYouMean, joined } from '../errors.js';
import * as all from './encodings/all.js';
import type { EncodingPart } from './encodings/encoding.js';
import { defineFeatureType } from './feature.js';
import { fieldNames } from './field-names.js';

/** Every encoding by its name in the YAML. */
export const encodings = registry(all, 'name', all.ids.name);

/** Fields with one id a row, each with an embedding table of its own. */
export const categorical = defineFeatureType({
  name: 'categorical',
  summary: 'one id a row, embedded',
  options: {
    fields: fieldNames,
    width: z.int().min(1).max(4096).default(16).describe('width of the embeddings'),
    encoding: encodings.schema.prefault({}),
  },

  *check({ fields, encoding }) {
    const part: EncodingPart<string, z.ZodRawShape> = encodings.partOf(encoding);
    for (const path of part.fieldKeys?.(encoding) ?? []) {
      const field = path.at(-1)!;
      if (!fields.includes(field)) yield { path: ['encoding', ...path], message: joined('not a field of this group', didYouMean(field, fields)) };
    }
  },

  build: ({ fields, width, encoding }) =>
    fields.map((name) => ({ name, columns: [name], owner: name, kind: 'id', width, ...encodings.build(encoding, name) })),
});
