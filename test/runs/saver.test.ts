import { afterEach, describe, expect, it, vi } from 'vitest';
import { SINGLE_PROCESS, type ProcessGroup } from '../../src/core/process-group.js';
import { checkpointOptions } from '../../src/runs/options.js';
import type { Checkpoint } from '../../src/runs/checkpoint.js';
import { openCheckpointer, type Checkpointer, type CheckpointSchedule } from '../../src/runs/checkpointer.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import { firstLoopState, type LoopState } from '../../src/training/loop-state.js';
import { scratchFolder } from '../support/scratch.js';

/** So short that it is over whenever a clock is read. */
const AT_ONCE_MINUTES = 1e-12;

/** Opens the checkpointer of an empty run; `onSnapshot` is called while it saves. */
function openSaver(
  options: Partial<CheckpointSchedule>,
  { folder, loop, peers }: { readonly folder: string; readonly loop: LoopState; readonly peers: ProcessGroup },
  onSnapshot = (): void => undefined,
): Promise<Checkpointer> {
  const { isPaced = false, ...section } = options;
  const snapshot = (): Promise<Checkpoint> => {
    onSnapshot();
    return Promise.resolve({
      program: { step: loop.step, weights: new Map(), optimizer: new Map() },
      sections: {},
      fitted: {},
      config: '',
      states: {},
      lookups: new Map(),
    });
  };
  const run = { folder, resumed: undefined, damaged: [], check: () => Promise.resolve() };
  const checkpoints = checkpointOptions.parse({ keepLast: 99, ...section });
  return openCheckpointer({ ...checkpoints, isPaced, run, loop, goals: new Map(), peers, snapshot }, () => undefined);
}

/**
 * Saves a run of one epoch before each of its steps, if it is due then; `read` is what the processes agreed on at the
 * step before.
 */
async function savedSteps(
  options: Partial<CheckpointSchedule>,
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
  const saver = await openSaver(options, { folder, loop, peers });
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

describe('a checkpointer while no step follows', () => {
  /** Time that saves take, and the present time. */
  const SAVE_MS = 400;
  let nowMs = 0;
  afterEach(() => vi.restoreAllMocks());

  /** Opens a checkpointer on a clock that only saves move; returns it after the first save, at 400 ms. */
  async function openPaused(options: Partial<CheckpointSchedule>) {
    nowMs = 0;
    vi.spyOn(process.hrtime, 'bigint').mockImplementation(() => BigInt(1e6 * nowMs));
    const loop = firstLoopState();
    const where = { folder: scratchFolder(), loop, peers: SINGLE_PROCESS };
    let durationMs = 0;
    const saver = await openSaver(options, where, () => (nowMs += durationMs));
    durationMs = SAVE_MS;
    await saver.now();
    expect([nowMs, saver.dueInMs()]).toEqual([SAVE_MS, undefined]);
    const step = (): void => {
      loop.step++;
      loop.batch++;
    };
    return { saver, step, loop };
  }

  it('saves after a second, or nine times the duration of the last save, in any schedule', async () => {
    for (const options of [{}, { everySteps: 1000 }, { everyMinutes: 60 }]) {
      const { saver, step } = await openPaused(options);
      step();
      expect(saver.dueInMs()).toBe(9 * SAVE_MS);
      nowMs += 9 * SAVE_MS - 400;
      expect(saver.dueInMs()).toBe(1000);
      await saver.now();
      expect(saver.dueInMs()).toBeUndefined();
    }
  });

  it('saves earlier if an interval ends earlier', async () => {
    const { saver, step } = await openPaused({ everyMinutes: 0.01 });
    step();
    expect(saver.dueInMs()).toBe(600);
  });

  it('extends the intervals of a paced schedule to nine times the duration of a save', async () => {
    for (const [isPaced, delta] of [
      [true, { everyMinutes: 0.01 }],
      [true, undefined],
      [false, { everyMinutes: 0.01 }],
    ] as const) {
      const everyMinutes = delta === undefined ? 0.01 : 60;
      const { saver, step, loop } = await openPaused({ isPaced, everyMinutes, delta });
      step();
      nowMs += 600;
      expect(saver.beforeStep(loop.step) === undefined).toBe(isPaced);
      nowMs += 9 * SAVE_MS - 600;
      expect(saver.beforeStep(loop.step)).toBeDefined();
    }
  });
});
