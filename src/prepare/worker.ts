import { answerWith } from '../thread.js';
import { jobs } from './jobs/all.js';
import type { Request } from './pool.js';

// One thread of a pool: does a job at a time.

answerWith(async (request) => {
  // The pool's types hold job and arguments together; a message cannot.
  const { job, args } = request as Request;
  return { result: await (jobs[job] as (args: unknown) => unknown)(args) };
});
