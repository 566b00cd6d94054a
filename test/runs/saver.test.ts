import { describe, expect, it } from 'vitest';
import { SINGLE_PROCESS, type ProcessGroup } from '../../src/core/process-group.js';
import { checkpointOptions } from '../../src/runs/options.js';
import type { Checkpoint } from '../../src/runs/checkpoint.js';
import { openCheckpointer } from '../../src/runs/checkpointer.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import { firstLoopState } from '../../src/training/loop-state.js';
import { scratchFolder } from '../support/scratch.js';

/** So short that it is over whenever a clock is read. */
const AT_ONCE_MINUTES = 1e-12;

/**
 * Saves a run of one epoch before each of its steps, if it is due then; `read` is what the processes agreed on at the
 * step before.
 */
async function savedSteps(
  options: object,
  read: (own: () => boolean, step: number) => boolean,
  steps = 4,
): Promise<readonly string[]> {
  const folder = scratchFolder();
  const loop = { ...firstLoopState() };
  const numExchanges = { now: 0 };
  const peers: ProcessGroup = {
    ...SINGLE_PROCESS,
    allReduceAny: (own) => (numExchanges.now++, own),
    allReduceAnyWithSum: (own) => () => read(own, loop.step),
  };
  const snapshot = (): Promise<Checkpoint> =>
    Promise.resolve({
      program: { step: loop.step, weights: new Map(), optimizer: new Map() },
      sections: {},
      fitted: {},
      config: '',
      counters: new Map(),
      lookups: new Map(),
    });
  const saver = await openCheckpointer(
    {
      ...checkpointOptions.parse({ keepLast: 99, ...options }),
      run: { folder, resumed: undefined, damaged: [], check: () => Promise.resolve() },
      loop,
      goals: new Map(),
      peers,
      snapshot,
    },
    () => undefined,
  );
  for (; loop.step < steps; loop.step++, loop.batch++) {
    const before = numExchanges.now;
    const save = saver.beforeStep(loop.step);
    expect(numExchanges.now, 'exchanges of a step').toBe(before);
    await save?.();
  }
  return (await listCheckpoints(folder)).toReversed();
}

describe('a checkpointer with an interval in minutes', () => {
  const everyMinutes = AT_ONCE_MINUTES;
  it('agrees through the all-reduce of steps, without communication before a step', async () => {
    expect(await savedSteps({ everyMinutes }, (own, step) => own() && step % 2 === 1)).toEqual([
      'step-00000001',
      'step-00000003',
    ]);
    expect(await savedSteps({ everyMinutes: 1e6 }, (own) => own())).toEqual([]);
    expect(await savedSteps({}, () => true)).toEqual([]);
  });

  it('saves a position once, even if a step interval ends there too', async () => {
    expect(await savedSteps({ everyMinutes, everySteps: 1 }, () => true, 3)).toEqual([
      'step-00000000',
      'step-00000001',
      'step-00000002',
    ]);
  });
});
