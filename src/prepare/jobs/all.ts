import { countIds } from './count-ids.js';
import { countRows } from './count-rows.js';
import { encodeSessions } from './encode-sessions.js';
import { parseCommon } from './parse-common.js';
import { parseSkeleton } from './parse-skeleton.js';
import { writeShard } from './write-shard.js';

/** The jobs of a pool's threads. */
export const jobs = { parseCommon, parseSkeleton, countRows, countIds, encodeSessions, writeShard };
export type Jobs = typeof jobs;
