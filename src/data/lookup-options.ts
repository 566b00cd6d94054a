import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import { columnName } from '../core/conditions.js';
import { checkDialect, dialectShape } from './dialect.js';

const { format, encoding, delimiter, quote, comments, decimal } = dialectShape;
const lookupOptions = z.strictObject({
  file: z.string().min(1).describe('File, directory or glob of the table: CSV, JSON Lines or Parquet'),
  key: columnName.describe('Column with a distinct value in each row, to which keys are compared as text'),
  ...{ format, encoding, delimiter, quote, comments, decimal },
});

/** The `lookups` section of `data`. */
export const lookupsOptions = z
  .record(
    z.string().regex(/^[\p{L}_][\p{L}\p{N}_]*$/u, 'a name of letters, digits and _, such as items'),
    lookupOptions,
  )
  .describe('Side tables by name, whose columns expressions look up by key; checkpoints contain them');
export type LookupsOptions = z.output<typeof lookupsOptions>;

/** Yields the issues of keys that conflict; the paths start below the section. */
export function* checkLookups(options: LookupsOptions): Generator<ValidationIssue> {
  for (const [name, own] of Object.entries(options))
    for (const { path, message } of checkDialect(own)) yield { path: [name, ...path], message };
}
