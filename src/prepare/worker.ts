import { answerWith } from '../system/thread.js';
import { PARSE } from './parse.js';
import type { Job, Request } from './pool.js';
import { ENCODE } from './sessions.js';
import { WRITE } from './shards.js';
import { COUNT } from './vocabulary.js';

// One thread of a pool: while a job waits for the disk, the next one runs.

const jobs: readonly Job<never>[] = [PARSE, COUNT, ENCODE, WRITE];

let last: Promise<unknown> = Promise.resolve();

answerWith(async (request) => {
  const { job, task } = request as Request;
  const { run } = jobs.find(({ name }) => name === job)!;
  // The pool's types tie job and task together; a message cannot.
  const running = new Promise((resolve) => resolve(run(task as never)));
  // Answers are sent in request order.
  const previous = last;
  last = running.catch(() => undefined);
  await previous;
  await running;
  return { result: undefined };
});
