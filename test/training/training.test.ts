import { describe, expect, it } from 'vitest';
import type { BatchRead } from '../../src/core/batch.js';
import type { Program } from '../../src/engines/engine.js';
import { trainLoop, type LoopOptions, type ValidationEvent } from '../../src/training/loop.js';
import type { StepReport } from '../../src/training/steps-in-flight.js';
import { readMonitored } from '../../src/training/monitor.js';
import { firstLoopState } from '../../src/training/loop-state.js';
import { createStopping } from '../../src/training/stopping.js';

describe('early stopping', () => {
  const follow = (values: (number | null)[], options: Partial<Parameters<typeof createStopping>[0]> = {}) => {
    let stopping = createStopping({ goal: 'higher', patience: 2, minDelta: 0, ...options }, firstLoopState().stopping);
    return values.map((value) => {
      // Each goes on from where the one before it stood.
      stopping = createStopping({ goal: 'higher', patience: 2, minDelta: 0, ...options }, stopping.state());
      const isBest = stopping.observe(value);
      return `${isBest ? 'best' : '-'}${stopping.shouldStop() ? ' stop' : ''}`;
    });
  };

  it('stops after `patience` epochs in a row without improvement', () => {
    expect(follow([0.5, 0.6, 0.6, 0.55, 0.7])).toEqual(['best', 'best', '-', '- stop', 'best']);
    expect(follow([0.5, 0.4, 0.6, 0.5, 0.5])).toEqual(['best', '-', 'best', '-', '- stop']);
  });

  it('follows a decreasing loss', () => {
    expect(follow([0.5, 0.6, 0.4], { goal: 'lower' })).toEqual(['best', '-', 'best']);
  });

  it('keeps the best by any margin, but requires the minimum delta for an improvement', () => {
    expect(follow([0.5, 0.505, 0.509], { minDelta: 0.01 })).toEqual(['best', 'best', 'best stop']);
    expect(follow([0.5, 0.505, 0.511], { minDelta: 0.01 })).toEqual(['best', 'best', 'best']);
  });

  it('counts an epoch without a value as no improvement', () => {
    expect(follow([null, 0.5, null, null])).toEqual(['-', 'best', '-', '- stop']);
  });

  it('never stops without patience', () => {
    expect(follow([0.5, 0.4, 0.3, 0.2], { patience: undefined }).join()).not.toContain('stop');
  });
});

describe('the monitored value', () => {
  const report = { ctr: { rows: 4, auc: 0.75, logLoss: 0.5 }, cvr: { rows: 0, auc: null, logLoss: null } };

  it('is the loss, or the named metric', () => {
    expect(readMonitored({ report, loss: 3 }, 'loss')).toBe(3);
    expect(readMonitored({ report, loss: 3 }, 'ctr.auc')).toBe(0.75);
    expect(readMonitored({ report, loss: 3 }, 'cvr.auc')).toBeNull();
  });
});

/** A program that only counts, with losses as they are given. */
function fakeProgram(lossOf: (step: number) => number): Program {
  let step = 0;
  return {
    trainStep: ({ rows }) =>
      Promise.resolve({
        losses: new Map([['ctr', { mean: lossOf(++step), rows }]]),
        norms: { dense: NaN, embeddings: NaN },
      }),
    changeRows: () => undefined,
    state: () => ({ step, weights: new Map(), optimizer: new Map() }),
    predict: () => Promise.reject(new Error('not here')),
    evaluate: () => Promise.reject(new Error('not here')),
    losses: () => Promise.reject(new Error('not here')),
    inspect: () => Promise.reject(new Error('not here')),
    restore: () => undefined,
    averaged: (work) => work(),
    dispose: () => undefined,
  };
}

async function* batches(...rows: number[]): AsyncGenerator<BatchRead> {
  for (const count of rows)
    yield await Promise.resolve({
      batch: { rows: count, columns: new Map() },
      totalRows: 0,
    });
}

async function run({
  stepsAhead = 1,
  ...options
}: Partial<LoopOptions> & { lossOf?: (step: number) => number; stepsAhead?: number }) {
  const epochs: ValidationEvent[] = [];
  const reports: StepReport[] = [];
  const program = options.program ?? fakeProgram(options.lossOf ?? (() => 0.5));
  const end = await trainLoop({
    program,
    stepper: {
      stepsAhead,
      take: (batch, _, isAhead = false) => program.trainStep(batch, { isAhead }),
      observe: () => undefined,
      rates: () => ({ dense: 1, embeddings: 1 }),
      weights: () => [2],
    },
    logEverySteps: 100,
    onSteps: (report) => void reports.push(report),
    epochs: 3,
    terms: [{ name: 'ctr', weight: 2 }],
    state: firstLoopState(),
    stopping: createStopping({ goal: 'lower', patience: 1, minDelta: 0 }, firstLoopState().stopping),
    onDivergence: 'stop',
    batches: () => batches(10, 30),
    validate: undefined,
    beforeStep: () => undefined,
    onStep: () => undefined,
    onSkip: () => undefined,
    onDiagnosis: () => undefined,
    onValidation: (milestone) => Promise.resolve(void epochs.push(milestone)),
    signal: new AbortController().signal,
    ...options,
  });
  return { end, epochs, reports };
}

describe('the training loop', () => {
  it('reports the mean loss over the rows of an epoch, per term and weighted', async () => {
    const { epochs } = await run({ epochs: 1, lossOf: (step) => step });
    expect(epochs).toMatchObject([
      { epoch: 1, step: 2, rows: 40, isBest: true, loss: { total: 3.5, losses: { ctr: 1.75 } } },
    ]);
  });

  it('trains every epoch and selects the newest without a validation set', async () => {
    const { end, epochs } = await run({});
    expect(end).toBe('finished');
    expect(epochs.map(({ epoch, isBest }) => [epoch, isBest])).toEqual([
      [1, true],
      [2, true],
      [3, true],
    ]);
  });

  it('stops early and reports the best epoch', async () => {
    const losses = [0.5, 0.6, 0.1];
    const { end, epochs } = await run({
      validate: () =>
        Promise.resolve({ report: {}, predicted: { outputs: {}, segments: {} }, loss: 0, monitored: losses.shift()! }),
    });
    expect(end).toBe('stopped early');
    expect(epochs.map(({ isBest }) => isBest)).toEqual([true, false]);
  });

  it('stops at the first non-finite loss, with the term, the step and the batch', async () => {
    await expect(run({ lossOf: (step) => (step === 4 ? NaN : 1) })).rejects.toThrow(
      /epoch 2, batch 2, step 4: loss 'ctr': is NaN/,
    );
    await expect(run({ lossOf: () => Infinity })).rejects.toMatchObject({ exitCode: 6 });
  });

  it('validates once within an epoch if a later batch is skipped', async () => {
    const { epochs } = await run({
      epochs: 1,
      onDivergence: 'skip',
      evaluation: { everySteps: 2 },
      batches: () => batches(10, 10, 10, 10, 10, 10),
      lossOf: (call) => (call === 3 || call === 4 ? NaN : 1),
      validate: () => Promise.resolve({ report: {}, predicted: { outputs: {}, segments: {} }, loss: 0, monitored: 0 }),
      stopping: createStopping({ goal: 'lower', patience: undefined, minDelta: 0 }, firstLoopState().stopping),
    });
    expect(epochs.map(({ step, isEpochEnd, valid }) => [step, isEpochEnd, valid !== undefined])).toEqual([
      [2, false, true],
      [4, true, true],
    ]);
  });

  it('ends after the current step when interrupted', async () => {
    const controller = new AbortController();
    let steps = 0;
    let epochs = 0;
    const attempt = run({
      signal: controller.signal,
      onStep: () => {
        if (++steps === 3) controller.abort(new Error('enough'));
      },
      onValidation: () => {
        epochs++;
        return Promise.resolve();
      },
    });
    await expect(attempt).rejects.toThrow('enough');
    expect([steps, epochs]).toEqual([3, 1]);
  });
});

/**
 * A program that gives the results of steps that are taken ahead where it is asked to, or four at a time; it refuses
 * what is behind a loss that is not finite.
 */
function aheadProgram(lossOf: (step: number) => number): Program & { readonly underWay: () => number } {
  let [step, isRefused] = [0, false];
  let waiting: (() => void)[] = [];
  const finish = (count: number): void => {
    for (const warn of waiting.slice(0, count)) warn();
    waiting = waiting.slice(count);
  };
  return {
    ...fakeProgram(lossOf),
    underWay: () => waiting.length,
    trainStep({ rows }, { isAhead = false } = {}) {
      const mean = lossOf(++step);
      isRefused ||= !Number.isFinite(mean);
      const losses = new Map([['ctr', { mean: isRefused ? NaN : mean, rows }]]);
      return new Promise((resolve) => {
        waiting.push(() => resolve({ losses, norms: { dense: NaN, embeddings: NaN } }));
        if (!isAhead) finish(waiting.length);
        else if (waiting.length === 8) finish(4);
      });
    },
    catchUp: () => Promise.resolve(finish(waiting.length)),
  };
}

describe('a loop with steps in flight', () => {
  const many = (): AsyncGenerator<BatchRead> => batches(...Array.from({ length: 21 }, (_, i) => 10 + i));
  const lossOf = (step: number): number => 1 / step;
  const measured = { report: {}, predicted: { outputs: {}, segments: {} }, loss: 0, monitored: 0 };
  const patient = (): LoopOptions['stopping'] =>
    createStopping({ goal: 'lower', patience: undefined, minDelta: 0 }, firstLoopState().stopping);

  it('reports the same as one that awaits each step', async () => {
    const told = [];
    for (const program of [fakeProgram(lossOf), aheadProgram(lossOf)]) {
      const [steps, saves] = [[] as object[], [] as object[]];
      const state = firstLoopState();
      const { epochs, reports } = await run({
        program,
        stepsAhead: 8,
        state,
        epochs: 2,
        batches: many,
        logEverySteps: 5,
        evaluation: { everyRows: 90 },
        stopping: patient(),
        validate: () => Promise.resolve(measured),
        onStep: ({ epoch, rows, loss }) => void steps.push({ epoch, rows, loss }),
        beforeStep: (step) =>
          step > 0 && step % 7 === 0 ? () => Promise.resolve(void saves.push({ ...state, elapsedMs: 0 })) : undefined,
      });
      told.push({ epochs: epochs.map((milestone) => ({ ...milestone, elapsedMs: 0 })), reports, steps, saves });
    }
    expect(told[1]).toEqual(told[0]);
    expect([told[0]!.epochs.length, told[0]!.reports.length, told[0]!.steps.length, told[0]!.saves.length]).toEqual([
      10, 8, 42, 5,
    ]);
  });

  it('has no step in flight during a validation or save, after an epoch or after an interruption', async () => {
    const program = aheadProgram(lossOf);
    const underWay: number[] = [];
    let most = 0;
    const look = (): Promise<void> => Promise.resolve(void underWay.push(program.underWay()));
    const controller = new AbortController();
    const state = firstLoopState();
    const options = {
      program,
      stepsAhead: 8,
      state,
      batches: many,
      stopping: patient(),
      evaluation: { everySteps: 6 },
      onValidation: look,
      signal: controller.signal,
    };
    const attempt = run({
      ...options,
      epochs: 2,
      validate: async () => {
        await look();
        return measured;
      },
      beforeStep: (step) => {
        most = Math.max(most, program.underWay());
        return step === 10 ? look : undefined;
      },
      onStep: ({ epoch, rows }) => {
        if (epoch === 2 && rows > 100) controller.abort(new Error('enough'));
      },
    });
    await expect(attempt).rejects.toThrow('enough');
    expect([most > 4, new Set(underWay), program.underWay()]).toEqual([true, new Set([0]), 0]);
    expect(state.step).toBe(21 + state.batch);
  });

  it('stops at the first non-finite loss, with the state before it', async () => {
    const state = firstLoopState();
    const bad = (step: number): number => (step === 11 || step === 13 ? NaN : 1);
    await expect(run({ program: aheadProgram(bad), stepsAhead: 8, state, batches: many })).rejects.toThrow(
      /epoch 1, batch 11, step 11: loss 'ctr': is NaN/,
    );
    expect([state.step, state.batch, state.rows]).toEqual([10, 10, 145]);
  });
});
