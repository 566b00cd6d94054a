import { z } from 'zod';
import type { StreamCursor } from './record-stream.js';

/** Schema of a position in a join. */
export const joinCursor = z.strictObject({
  /** Positions of the logs: the position of the rows, then the positions of the events. Null at the first record. */
  logs: z.array(z.unknown()),
  /** Records after these positions that were yielded before. */
  skip: z.int().min(0),
  /** Latest time of a record before these positions, in milliseconds since 1970; null if there is none. */
  timeMs: z.number().nullable(),
  /** Records of all logs before these positions. */
  records: z.int().min(0),
});
export type JoinCursor = z.output<typeof joinCursor>;

/** Returns the number of records of all logs before a position. */
export function recordsBefore(cursor: StreamCursor): number {
  return joinCursor.parse(cursor).records;
}
