import { workerData } from 'node:worker_threads';
import { instantiate } from './module.js';
import { bind, COMMAND, NO_EXCHANGES, type TeamOptions } from './team.js';

// One worker of a team: waits for a command, runs its share of the list, meets the others at the end.

/** Looks at the command's number so often before it sleeps, as at barriers (kernels/team.ts): what the main thread does between two steps. */
const [FEWEST_LOOKS, MOST_LOOKS] = [20_000, 200_000];

// What guard.ts passes.
const { kernels: loaded, memory, apart, lists, barrier, self } = workerData as TeamOptions & { readonly self: number };
const kernels = { ...instantiate(loaded, memory, apart), ...NO_EXCHANGES };
const bound = Object.values(lists).map((list) => bind(list, kernels));
const words = new Int32Array(memory.buffer, barrier, 16);

let looks = MOST_LOOKS;
Atomics.add(words, COMMAND.ready, 1);
for (let seen = 0; ; seen++) {
  let look = 0;
  while (look < looks && Atomics.load(words, COMMAND.number) === seen) look++;
  looks = look < looks ? Math.min(MOST_LOOKS, looks + (looks >> 3)) : Math.max(FEWEST_LOOKS, looks >> 1);
  while (Atomics.load(words, COMMAND.number) === seen) Atomics.wait(words, COMMAND.number, seen);
  const list = words[COMMAND.list]!;
  if (list < 0) break;
  // Fewer than were asked for, where no more could start.
  kernels.join(self, words[COMMAND.threads]!, barrier);
  // Where this throws, the guard hears it.
  bound[list]!(words[COMMAND.rows]!);
  kernels.barrier();
}
