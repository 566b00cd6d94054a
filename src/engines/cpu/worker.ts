import { parentPort, workerData } from 'node:worker_threads';
import { COMMAND, COMMAND_WORDS } from './command.js';
import { instantiate } from './module.js';
import { bind, NO_EXCHANGES, type TeamOptions, type TeamTask } from './team.js';

// A worker of a team: waits for a command, runs its share of the list, and synchronizes at the end.

/** Spins before a worker sleeps: about the time of the main thread's other work in a step. */
const SPINS = 20_000;

/**
 * Waits for a command with another number. A separate function, since V8 optimizes all of a function that loops for
 * long.
 */
function awaitCommand(words: Int32Array, seen: number): void {
  const { number } = COMMAND;
  for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(words, number) !== seen) return;
  while (Atomics.load(words, number) === seen) Atomics.wait(words, number, seen);
}

// Passed by guard.ts.
const { kernels: loaded, self } = workerData as Pick<TeamOptions, 'kernels'> & { readonly self: number };

parentPort!.once('message', ({ memory, apart, lists, barrier }: TeamTask) => {
  const kernels = { ...instantiate(loaded, memory, apart), ...NO_EXCHANGES };
  const bound = Object.values(lists).map((list) => bind(list, kernels));
  const words = new Int32Array(memory.buffer, barrier, COMMAND_WORDS);

  const rows = words.subarray(COMMAND.rows);
  Atomics.add(words, COMMAND.ready, 1);
  for (let seen = 0; ; seen++) {
    awaitCommand(words, seen);
    const list = words[COMMAND.list]!;
    if (list < 0) break;
    // May be fewer than requested, if no more could start.
    kernels.join(self, words[COMMAND.threads]!, barrier);
    // If this throws, the guard receives the error.
    bound[list]!(rows);
    kernels.barrier();
  }
});
