import { parentPort, workerData } from 'node:worker_threads';
import { COMMAND, COMMAND_WORDS } from './command.js';
import { instantiate } from './module.js';
import { NO_EXCHANGES } from './kernels.js';
import { createRun } from './lists.js';
import type { TeamOptions, TeamTask } from './team.js';

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

parentPort!.once('message', ({ memory, external, lists, barrier }: TeamTask) => {
  const instance = instantiate(loaded, memory, external);
  const doubles = new Float64Array(memory.buffer);
  const runs = Object.values(lists).map((list) => createRun(list, instance, doubles, NO_EXCHANGES));
  const words = new Int32Array(memory.buffer, barrier, COMMAND_WORDS);
  Atomics.add(words, COMMAND.ready, 1);
  for (let seen = 0; ; seen++) {
    awaitCommand(words, seen);
    const list = words[COMMAND.list]!;
    if (list < 0) break;
    // May be fewer than requested, if no more could start.
    instance.kernels.join(self, words[COMMAND.threads]!, barrier);
    // If this throws, the guard receives the error.
    runs[list]!();
    instance.kernels.barrier();
  }
});
