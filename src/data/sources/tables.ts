import type { DataOptions } from '../options.js';
import type { RowFormat } from '../rows/row-format.js';
import { withEventLogs } from './event-logs.js';
import { withLookups } from './lookups.js';
import type { Access } from './source.js';

/**
 * Reads the side tables and event logs that the fields of a format use; returns the format with them.
 * @param data section of a config; event logs may be rows of its sets
 * @param access has the cache of sorted events; default: none
 * @throws UserError (data) with the problems of all tables, or of all logs
 */
export async function withTables(
  format: RowFormat,
  data: Partial<DataOptions> = {},
  access?: Access,
): Promise<RowFormat> {
  return withEventLogs(await withLookups(format, data.lookups), data, access);
}
