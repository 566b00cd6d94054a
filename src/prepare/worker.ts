import { runJobs } from '../system/job-pool.js';
import { PARSE } from './parse.js';
import { ENCODE } from './sessions.js';
import { WRITE } from './shards.js';
import { COUNT } from './vocabulary.js';

// One thread of `mtl prepare`.

runJobs([PARSE, COUNT, ENCODE, WRITE]);
