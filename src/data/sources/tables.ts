import type { DataOptions } from '../options.js';
import type { RowFormat } from '../rows/row-format.js';
import { withEventLogs } from './event-logs.js';
import { withLookups } from './lookups.js';

/**
 * Reads the side tables and event logs that the fields of a format use; returns the format with them.
 * @throws UserError (data) with the problems of all tables, or of all logs
 */
export async function withTables(
  format: RowFormat,
  { lookups, sequences }: Partial<Pick<DataOptions, 'lookups' | 'sequences'>> = {},
): Promise<RowFormat> {
  return withEventLogs(await withLookups(format, lookups), sequences);
}
