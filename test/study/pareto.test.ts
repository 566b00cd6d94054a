import { describe, expect, it } from 'vitest';
import type { ListedTrial } from '../../src/study/leaderboard.js';
import { selectMetricPair, paretoFront } from '../../src/study/pareto.js';

const trial = (number: number, a: number, b: number): ListedTrial => ({
  number,
  state: 'finished',
  value: a,
  deviation: null,
  point: {},
  metrics: { 'valid.ctr.auc': a, 'valid.ctr.logLoss': b },
  runs: [],
  elapsedMs: 0,
});

describe('the Pareto front', () => {
  it('contains the trials that none dominates, each metric in its own direction', () => {
    const trials = [
      trial(1, 0.8, 0.5),
      trial(2, 0.7, 0.3),
      trial(3, 0.7, 0.4),
      trial(4, 0.6, 0.2),
      trial(5, 0.65, 0.3),
      { ...trial(6, 1, 0), metrics: {} },
    ];
    const { front, others } = paretoFront(trials, ['ctr.auc', 'ctr.logLoss'], {
      'ctr.auc': 'higher',
      'ctr.logLoss': 'lower',
    });
    expect(front.map((one) => one.trial.number)).toEqual([1, 2, 4]);
    expect(others.map((one) => one.trial.number)).toEqual([3, 5]);
  });

  it('contains both of two equal trials', () => {
    const { front } = paretoFront([trial(1, 0.8, 0.5), trial(2, 0.8, 0.5)], ['ctr.auc', 'ctr.logLoss'], {
      'ctr.auc': 'higher',
      'ctr.logLoss': 'lower',
    });
    expect(front).toHaveLength(2);
  });

  it('compares the optimized metric on the first two outputs that have it by default', () => {
    const goals = { 'ctr.auc': 'higher', 'ctr.logLoss': 'lower', 'cvr.auc': 'higher', 'ctcvr.auc': 'higher' } as const;
    expect(
      selectMetricPair({ options: { metric: 'ctcvr.auc' }, goals } as unknown as Parameters<
        typeof selectMetricPair
      >[0]),
    ).toEqual(['ctr.auc', 'cvr.auc']);
    expect(
      selectMetricPair({ options: { metric: 'loss' }, goals } as unknown as Parameters<typeof selectMetricPair>[0]),
    ).toBeUndefined();
  });
});
