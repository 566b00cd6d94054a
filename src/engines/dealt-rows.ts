import { ALONE } from '../peers.js';
import type { Plan } from './engine.js';

/** Of a table of fewer rows everyone keeps all: what is exchanged for it is little. */
const DEALT_ROWS = 4096;

/** What decides how tables are dealt out among processes. */
export type Dealing = Pick<Plan, 'peers' | 'dealtRows'>;

/** Whether a table of so many rows is dealt out. */
export function isDealt(rows: number, { peers = ALONE, dealtRows = DEALT_ROWS }: Dealing): boolean {
  return peers.size > 1 && rows >= dealtRows;
}

/** How many of a table's rows this process has: of one that is dealt out, row r lies with process r modulo their number. */
export function rowsHere(rows: number, dealing: Dealing): number {
  const { rank, size } = isDealt(rows, dealing) ? (dealing.peers ?? ALONE) : ALONE;
  return Math.ceil((rows - rank) / size);
}
