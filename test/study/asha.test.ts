import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shouldPromote, findRung } from '../../src/study/asha.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

describe('asha', () => {
  it('has rungs at minEpochs times powers of the reduction factor', () => {
    const options = { minEpochs: 2, reductionFactor: 3 };
    expect([1, 2, 3, 6, 12, 18, 54].map((epoch) => findRung(options, epoch))).toEqual([
      undefined,
      0,
      undefined,
      1,
      undefined,
      2,
      3,
    ]);
  });

  it('continues the best third, or the best of fewer than three', () => {
    expect(shouldPromote(5, [5], 3)).toBe(true);
    expect(shouldPromote(5, [5, 4], 3)).toBe(false);
    expect(shouldPromote(4, [5, 4], 3)).toBe(true);
    const costs = [1, 2, 3, 4, 5, 6];
    expect(costs.map((cost) => shouldPromote(cost, costs, 3))).toEqual([true, true, false, false, false, false]);
    // As many as are alike.
    expect(shouldPromote(1, [1, 1, 1], 3)).toBe(true);
  });

  it('gets the value of an epoch before a checkpoint from which a killed run would go on after the epoch', async () => {
    const folder = scratchFolder();
    await smallWorld(folder);
    const run = join(folder, 'run');
    const set = ['train', 'valid', 'test'].map((split) => `data.${split}=${join(folder, split)}.csv`);
    const newest: number[] = [];
    await trainSmall(join(folder, 'esmm.yaml'), {
      runDir: run,
      set: [...set, 'training.epochs=2'],
      on: {
        onValidation: () => {
          const steps = readdirSync(join(run, 'checkpoints')).map((name) =>
            Number(/^step-(\d+)$/.exec(name)?.[1] ?? 0),
          );
          newest.push(Math.max(...steps));
        },
      },
    });
    // An epoch has 15 steps, and every fourth one is saved.
    expect(newest).toEqual([12, 28]);
  });
});
