import { randomStream } from '../core/random.js';
import { createImpressions, drawImpression, type Impressions, type Shown } from './impressions.js';

/** Concurrent sessions: the rows of a session are close together, but interleaved with others. */
const OPEN_SESSIONS = 8;
export const SESSION_BLOCK_ROWS = 1 << 13;

/** Options for generating rows of sessions, each of one user. */
export interface SessionDraw {
  readonly shown: Shown;
  readonly seed: number;
  readonly split: string;
  readonly rows: number;
  /** Mean rows per session, from 1. */
  readonly sessionRows: number;
  /** Starts a session; returns its number. */
  open(user: number): number;
  /** Session number per row of the block. */
  readonly sessions: Uint32Array;
}

/** Generates impressions of sessions in blocks; a block is valid until the next one. */
export function* drawSessions({
  shown,
  seed,
  split,
  rows,
  sessionRows,
  open,
  sessions,
}: SessionDraw): Generator<Impressions> {
  const random = randomStream(seed, 'sessions', split);
  const block = createImpressions(SESSION_BLOCK_ROWS);
  const user = new Uint32Array(OPEN_SESSIONS);
  const session = new Uint32Array(OPEN_SESSIONS);
  const rowsLeft = new Uint32Array(OPEN_SESSIONS);
  for (let left = rows; left > 0; left -= block.rows) {
    block.rows = Math.min(left, SESSION_BLOCK_ROWS);
    for (let row = 0; row < block.rows; row++) {
      const s = random.below(OPEN_SESSIONS);
      if (rowsLeft[s] === 0) {
        user[s] = random.below(shown.world.users.count);
        session[s] = open(user[s]);
        rowsLeft[s] = 1 + random.below(2 * sessionRows - 1);
      }
      rowsLeft[s]!--;
      sessions[row] = session[s]!;
      drawImpression(shown, random, user[s]!, block, row);
    }
    yield block;
  }
}
