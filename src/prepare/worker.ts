import { parentPort } from 'node:worker_threads';
import { UserError } from '../errors.js';
import { jobs } from './jobs/all.js';
import type { Reply, Request } from './pool.js';

// One thread of a pool: does a job at a time.

const port = parentPort!;

async function answer({ job, args }: Request): Promise<Reply> {
  try {
    // The pool's types hold job and arguments together; a message cannot.
    return { result: await (jobs[job] as (args: unknown) => unknown)(args) };
  } catch (error) {
    if (error instanceof UserError) return { kind: error.kind, problems: error.problems };
    return { bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

port.on('message', (request: Request) => void answer(request).then((reply) => port.postMessage(reply)));
