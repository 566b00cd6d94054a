import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { TableLister } from './table-list.js';
import { claim, CONTROL, END, type ListThread, type NewMemory } from './team.js';

// A thread that lists the distinct rows of tables: takes one at a time, and waits for more.

// Passed by team.ts.
const { shape, control, memory } = workerData as ListThread;
const words = new Int32Array(control);
const lister = new TableLister(shape);
const columns = memory.map((each) => new Uint32Array(each.columns));
const jobs = memory.map(({ job }) => new Uint32Array(job));
const seen = memory.map(() => 0);
const numTables = shape.tables.length;

/** Receives new memory of jobs, which was sent before it was counted. */
const renew = (): void => {
  for (let which = 0; which < jobs.length; which++) {
    while (seen[which] !== Atomics.load(words, CONTROL.memory + which)) {
      const { job, buffer } = (receiveMessageOnPort(parentPort!) as { readonly message: NewMemory }).message;
      jobs[job] = new Uint32Array(buffer);
      seen[job]!++;
    }
  }
};

try {
  for (let next = Atomics.load(words, CONTROL.next); next !== END; next = Atomics.load(words, CONTROL.next)) {
    const taken = claim(words, numTables);
    if (taken === undefined) {
      Atomics.wait(words, CONTROL.next, next);
      continue;
    }
    renew();
    lister.list(taken.table, columns[taken.which]!, jobs[taken.which]!, jobs[1 - taken.which]!);
    if (Atomics.add(words, CONTROL.done, 1) + 1 === numTables) Atomics.notify(words, CONTROL.done);
  }
} catch (error) {
  Atomics.store(words, CONTROL.failed, 1);
  Atomics.notify(words, CONTROL.done);
  throw error;
}
