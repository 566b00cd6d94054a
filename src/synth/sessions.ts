import { randomStream } from '../core/random.js';
import { createImpressions, drawImpression, type Impressions, type Shown } from './impressions.js';

/** Sessions whose rows stand mixed: rows of one stand near each other, but not in one piece. */
const OPEN_SESSIONS = 8;
/** Rows that are drawn at a time. */
export const SESSION_BLOCK_ROWS = 1 << 13;

/** What is drawn: rows of sessions of a user each. */
export interface SessionDraw {
  readonly shown: Shown;
  readonly seed: number;
  readonly split: string;
  readonly rows: number;
  /** Rows of a session on average, from 1. */
  readonly sessionRows: number;
  /** Told of each new session; gives its number. */
  open(user: number): number;
  /** By row of the block: the number of its session. */
  readonly sessions: Uint32Array;
}

/** Draws impressions that fall to sessions, in blocks; a block is valid until the next one is asked for. */
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
