import { countIds } from './count-ids.js';
import { encodeSessions } from './encode-sessions.js';
import { parseChunk } from './parse-chunk.js';
import { writeShard } from './write-shard.js';

/** Jobs of threads, each of which writes a file to the `target` of its task. */
export const jobs = { parseChunk, countIds, encodeSessions, writeShard };
export type Jobs = typeof jobs;
