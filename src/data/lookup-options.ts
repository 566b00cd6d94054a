import { z } from 'zod';
import { columnName } from '../core/conditions.js';
import { sideDialectShape } from './dialect.js';

const lookupOptions = z.strictObject({
  file: z.string().min(1).describe('File, directory or glob of the table: CSV, JSON Lines or Parquet'),
  key: columnName.describe('Column with a distinct value in each row, to which keys are compared as text'),
  ...sideDialectShape,
});

/** The `lookups` section of `data`. */
export const lookupsOptions = z
  .record(
    z.string().regex(/^[\p{L}_][\p{L}\p{N}_]*$/u, 'a name of letters, digits and _, such as items'),
    lookupOptions,
  )
  .describe('Side tables by name, whose columns expressions look up by key; checkpoints contain them');
export type LookupsOptions = z.output<typeof lookupsOptions>;
