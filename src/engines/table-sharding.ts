import { SINGLE_PROCESS, countLocalRows } from '../core/process-group.js';
import type { Plan } from './engine.js';

/** Minimum rows of a sharded table. Every process stores smaller tables, whose exchange is cheap. */
const MIN_SHARDED_ROWS = 4096;

/** Options that decide how tables are sharded among processes. */
export type Sharding = Pick<Plan, 'peers' | 'dealtRows'>;

/** Returns whether a table of `rows` rows is sharded. */
export function isShardedTable(
  rows: number,
  { peers = SINGLE_PROCESS, dealtRows = MIN_SHARDED_ROWS }: Sharding,
): boolean {
  return peers.size > 1 && rows >= dealtRows;
}

/** Returns the number of rows of a table that this process stores. */
export function localRowCount(rows: number, dealing: Sharding): number {
  return isShardedTable(rows, dealing) ? countLocalRows(rows, dealing.peers ?? SINGLE_PROCESS) : rows;
}
