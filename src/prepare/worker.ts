import { answerWith } from '../system/thread.js';
import { jobs } from './jobs/all.js';
import type { Request } from './pool.js';

// One thread of a pool: while a job waits for the disk, the next one runs.

let last: Promise<unknown> = Promise.resolve();

answerWith(async (request) => {
  // The pool's types tie job and arguments together; a message cannot.
  const { job, args } = request as Request;
  const result = Promise.resolve((jobs[job] as (args: unknown) => unknown)(args));
  // Answers are sent in request order.
  const previous = last;
  last = result.catch(() => undefined);
  await previous;
  return { result: await result };
});
