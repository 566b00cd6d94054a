import { parentPort, workerData, type MessagePort, type Worker } from 'node:worker_threads';
import { fewerThreads, openThread, threadProblem } from '../../system/thread.js';
import { COMMAND, COMMAND_WORDS } from './command.js';
import type { TeamOptions, TeamTask } from './team.js';

// The thread that starts a team's workers and detects when one ends, since the main thread receives no events while it
// computes.

// Passed by team.ts.
const { kernels, threads } = workerData as Pick<TeamOptions, 'kernels' | 'threads'>;
const workers: Worker[] = [];
/** Workers that ended before there was a program to run. */
const ends: (Error | number)[] = [];
let hear = (end: Error | number): void => void ends.push(end);
let notice: string | undefined;

for (let self = 1; self < threads; self++) {
  try {
    const worker = openThread('engines/cpu/worker', { kernels, self });
    workers.push(worker.on('error', (error: Error) => hear(error)).on('exit', (code) => hear(code)));
  } catch (error) {
    notice = fewerThreads(error, self);
    break;
  }
}

parentPort!.once('message', ({ port, ...task }: TeamTask & { readonly port: MessagePort }) => {
  const words = new Int32Array(task.memory.buffer, task.barrier, COMMAND_WORDS);
  if (notice !== undefined) {
    parentPort!.postMessage(notice);
    Atomics.store(words, COMMAND.threads, workers.length + 1);
  }
  for (const worker of workers) worker.postMessage(task);
  hear = (end) => {
    if (end === 0 && Atomics.load(words, COMMAND.list) < 0) return;
    // The reason is posted first: a reader of the word requests it.
    port.postMessage(threadProblem(end));
    Atomics.store(words, COMMAND.failed, 1);
  };
  for (const end of ends) hear(end);
});
