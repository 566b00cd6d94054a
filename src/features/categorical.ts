import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import { compressions } from './compressions/compressions.js';
import { computeOnce, sourceColumns } from './computed.js';
import { checkEmbedded, embeddedField, embeddedOptions } from './embedded.js';
import { growsOnStream } from './encodings/encodings.js';
import { compileTextLookup } from './expressions/compile.js';
import { ExpressionError } from './expressions/parse.js';
import type { Field } from './feature.js';
import { defineFieldGroup } from './field-group.js';
import { missingOption, withMissing } from './missing.js';

/** A lookup whose text is the value of a field. */
const valueOption = z
  .string()
  .superRefine((text, context) => {
    try {
      compileTextLookup(text);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
    }
  })
  .optional()
  .describe('Text of a side table in place of a column, as in lookup(items.brand, item_id); default: the column');

const compressionOption = compressions.schema.optional().describe('Compression of the table; default: none');

/**
 * Fields with one id per row, each with its own embedding table or a shared one. The value is the value of a column, or
 * a text that a side table has for a key.
 */
export const categorical = defineFieldGroup({
  name: 'categorical',
  summary: 'id per row, embedded',
  options: () => ({
    ...embeddedOptions,
    fillMissing: missingOption,
    value: valueOption,
    compression: compressionOption,
  }),

  *check(options, names): Generator<ValidationIssue> {
    yield* checkEmbedded(options, names);
    const { compression, table, initFrom } = options;
    if (compression === undefined) return;
    const path = ['compression'];
    if (growsOnStream(options.encoding))
      yield { path, message: 'a compressed table cannot grow; remove compression, or capacity of the encoding' };
    if (table !== undefined)
      yield { path, message: 'a compressed table cannot be shared; remove table or compression' };
    if (initFrom !== undefined)
      yield { path, message: 'a compressed table has no row of this width per value; remove initFrom or compression' };
  },

  build(name, { compression, fillMissing, value, ...options }) {
    const column: Field = { ...withMissing(embeddedField(name, options), fillMissing), kind: 'id' };
    const field = value === undefined ? column : lookedUp(column, value);
    return compression === undefined ? [field] : compressions.build(compression, field);
  },
});

/** Returns a field that reads a text of a side table in place of a column. Its table may be the table of a column. */
function lookedUp(field: Field, value: string): Field {
  const { compute, ...rest } = compileTextLookup(value);
  const computed = { ...rest, meaning: value, compute: computeOnce(compute) };
  return { ...field, columns: sourceColumns(computed), computed };
}
