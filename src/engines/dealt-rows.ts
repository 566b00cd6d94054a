import { SINGLE_PROCESS, countLocalRows } from '../core/process-group.js';
import type { Plan } from './engine.js';

/** Of a table of fewer rows everyone keeps all: what is exchanged for it is little. */
const DEALT_ROWS = 4096;

/** What decides how tables are dealt out among processes. */
export type Dealing = Pick<Plan, 'peers' | 'dealtRows'>;

/** Whether a table of so many rows is dealt out. */
export function isDealt(rows: number, { peers = SINGLE_PROCESS, dealtRows = DEALT_ROWS }: Dealing): boolean {
  return peers.size > 1 && rows >= dealtRows;
}

/** How many of a table's rows this process has. */
export function rowsHere(rows: number, dealing: Dealing): number {
  return isDealt(rows, dealing) ? countLocalRows(rows, dealing.peers ?? SINGLE_PROCESS) : rows;
}
