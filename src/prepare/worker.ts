import { answerWith } from '../system/thread.js';
import { jobs } from './jobs/all.js';
import type { Request } from './pool.js';

// One thread of a pool: while a job waits for the disk, the next one runs.

let last: Promise<unknown> = Promise.resolve();

answerWith(async (request) => {
  // The pool's types tie job and task together; a message cannot.
  const { job, task } = request as Request;
  const run = jobs[job] as (task: unknown) => unknown;
  const running = new Promise((resolve) => resolve(run(task)));
  // Answers are sent in request order.
  const previous = last;
  last = running.catch(() => undefined);
  await previous;
  await running;
  return { result: undefined };
});
