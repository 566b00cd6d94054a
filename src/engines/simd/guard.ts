import { parentPort, Worker, workerData, type MessagePort } from 'node:worker_threads';
import { fewerThreads, threadProblem } from '../../thread.js';
import { COMMAND, type TeamOptions } from './team.js';

// The thread that starts a team's workers and hears when one ends: the first thread hears of nothing while it computes.

// What team.ts passes.
const { port, ...options } = workerData as TeamOptions & { readonly port: MessagePort };
const words = new Int32Array(options.memory.buffer, options.barrier, 16);

const tell = (end: Error | number): void => {
  if (end === 0 && Atomics.load(words, COMMAND.list) < 0) return;
  // The reason first: whoever sees the word asks for it.
  port.postMessage(threadProblem(end));
  Atomics.store(words, COMMAND.failed, 1);
};

for (let self = 1; self < options.threads; self++) {
  try {
    const worker = new Worker(new URL('worker.js', import.meta.url), { workerData: { ...options, self }, execArgv: [] });
    worker.on('error', tell).on('exit', tell);
  } catch (error) {
    parentPort!.postMessage(fewerThreads(error, self));
    Atomics.store(words, COMMAND.threads, self);
    break;
  }
}
