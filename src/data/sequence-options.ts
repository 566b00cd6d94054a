import { z } from 'zod';
import { columnName } from '../core/conditions.js';
import { sideDialectShape } from './dialect.js';

const logOptions = z.strictObject({
  file: z.string().min(1).describe('File, directory or glob of the events: CSV, JSON Lines or Parquet'),
  key: columnName.describe('Column with the user, in the events and in the rows; compared as text'),
  time: columnName.describe('Column with the time of each event'),
  until: columnName.describe('Column of the rows with their time: events of that time or later are not read'),
  per: z
    .enum(['event', 'user'])
    .default('event')
    .describe('Content of a row of the file: an event, or a user with a list per column'),
  ...sideDialectShape,
});

/** The `sequences` section of `data`. */
export const sequencesOptions = z
  .record(z.string().regex(/^[\p{L}_][\p{L}\p{N}_]*$/u, 'a name of letters, digits and _, such as clicks'), logOptions)
  .describe('Event logs by name, whose columns are the items of sequences; each event is stored once');
export type SequencesOptions = z.output<typeof sequencesOptions>;
