import type { ValidationIssue } from '../core/component.js';
import { compressions } from './compressions/compressions.js';
import { checkEmbedded, embeddedField, embeddedOptions } from './embedded.js';
import type { Field } from './feature.js';
import { defineFieldGroup } from './field-group.js';
import { missingOption, withMissing } from './missing.js';

const compressionOption = compressions.schema.optional().describe('Compression of the table; default: none');

/** Fields with one id per row, each with its own embedding table or a shared one. */
export const categorical = defineFieldGroup({
  name: 'categorical',
  summary: 'id per row, embedded',
  options: () => ({ ...embeddedOptions, fillMissing: missingOption, compression: compressionOption }),

  *check(options, names): Generator<ValidationIssue> {
    yield* checkEmbedded(options, names);
    const { compression, table, initFrom } = options;
    if (compression === undefined) return;
    const path = ['compression'];
    if (table !== undefined)
      yield { path, message: 'a compressed table cannot be shared; remove table or compression' };
    if (initFrom !== undefined)
      yield { path, message: 'a compressed table has no row of this width per value; remove initFrom or compression' };
  },

  build(name, { compression, fillMissing, ...options }) {
    const field: Field = { ...withMissing(embeddedField(name, options), fillMissing), kind: 'id' };
    return compression === undefined ? [field] : compressions.build(compression, field);
  },
});
