import { SINGLE_PROCESS, countLocalRows } from '../core/process-group.js';
import type { Plan } from './engine.js';

/** Minimum rows of a sharded table. Every process stores smaller tables, whose exchange is cheap. */
const DEALT_ROWS = 4096;

/** Options that decide how tables are sharded among processes. */
export type Dealing = Pick<Plan, 'peers' | 'dealtRows'>;

/** Returns whether a table of `rows` rows is sharded. */
export function isDealt(rows: number, { peers = SINGLE_PROCESS, dealtRows = DEALT_ROWS }: Dealing): boolean {
  return peers.size > 1 && rows >= dealtRows;
}

/** Returns the number of rows of a table that this process stores. */
export function rowsHere(rows: number, dealing: Dealing): number {
  return isDealt(rows, dealing) ? countLocalRows(rows, dealing.peers ?? SINGLE_PROCESS) : rows;
}
