// Compacts the last checkpoint of a run again and again, until it is killed. Argument: run directory.
import { setTimeout as wait } from 'node:timers/promises';
import { compactCheckpoint } from '../../dist/runs/compact.js';
import { findCheckpoint } from '../../dist/runs/find-checkpoint.js';

process.stdout.write('ready\n');
for (;;) {
  try {
    const folder = findCheckpoint(process.argv[2], ['last', 'best']);
    const { deltas } = await compactCheckpoint(folder);
    if (deltas > 0) process.stdout.write(`${deltas} deltas\n`);
  } catch (error) {
    // The training has no checkpoint yet, or has removed this one.
    if (error.kind !== 'checkpoint') throw error;
  }
  await wait(1);
}
