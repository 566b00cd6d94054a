import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auc } from '../../src/evaluation/auc.js';
import { createCollector } from '../../src/evaluation/evaluation.js';
import { logLoss } from '../../src/evaluation/log-loss.js';
import type { Metric } from '../../src/evaluation/metric.js';
import { metrics } from '../../src/evaluation/metrics.js';
import { pcoc } from '../../src/evaluation/pcoc.js';
import { r2 } from '../../src/evaluation/r2.js';
import { rmse } from '../../src/evaluation/rmse.js';
import { predictedSpaces, spacesOf } from '../../src/evaluation/spaces.js';
import { taskOptions, type Task } from '../../src/tasks.js';
import { logLoss as plainLogLoss } from '../support/reference.js';

const floats = (...values: number[]): Float32Array => Float32Array.from(values);

/** A metric of rows that come in one chunk. */
const compute = (metric: Metric, labels: Float32Array, predictions: Float32Array) => metric.compute({ rows: labels.length, [Symbol.iterator]: () => [{ labels, predictions }].values() });

describe('every metric', () => {
  for (const metric of metrics) {
    it(`${metric.name} is better for a perfect prediction than for its opposite, if it has a goal`, () => {
      const labels = floats(0, 1, 1, 0, 1, 0);
      const [perfect, opposite] = [labels, labels.map((label) => 1 - label)].map((predictions) => compute(metric, labels, predictions) as number) as [number, number];
      if (metric.goal === 'higher') expect(perfect).toBeGreaterThan(opposite);
      if (metric.goal === 'lower') expect(perfect).toBeLessThan(opposite);
      expect(metrics.filter(({ name }) => name === metric.name)).toEqual([metric]);
    });

    it(`${metric.name} does not depend on the order of rows and leaves its input alone`, () => {
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.boolean(), fc.float({ min: Math.fround(0.01), max: Math.fround(0.99), noNaN: true })), { minLength: 1 }), (rows) => {
          const labels = floats(...rows.map(([label]) => Number(label)));
          const predictions = floats(...rows.map(([, p]) => p));
          const before = [...predictions];
          const value = compute(metric, labels, predictions);
          const reversed = compute(metric, labels.toReversed(), predictions.toReversed());
          expect([...predictions]).toEqual(before);
          if (typeof value === 'number') {
            expect(Number.isFinite(value)).toBe(true);
            expect(reversed).toBe(value);
          } else {
            expect(value.reason).not.toBe('');
            expect(reversed).toEqual(value);
          }
        }),
      );
    });
  }
});

describe('auc', () => {
  // A small alphabet makes ties; -0 ties with 0.
  const score = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(-0, 1e-45, -1e-45, 3.4e38, 0.1, 0.2), fc.float({ noNaN: true, noDefaultInfinity: true }));

  it('is the share of pairs that are ranked rightly, ties half', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), score.map(Math.fround)), { minLength: 2, maxLength: 60 }), (rows) => {
        const positives = rows.filter(([label]) => label).map(([, p]) => p);
        const negatives = rows.filter(([label]) => !label).map(([, p]) => p);
        fc.pre(positives.length > 0 && negatives.length > 0);
        let right = 0;
        for (const p of positives) for (const n of negatives) right += p > n ? 1 : p === n ? 0.5 : 0;
        expect(compute(auc, floats(...rows.map(([label]) => Number(label))), floats(...rows.map(([, p]) => p)))).toBe(right / (positives.length * negatives.length));
      }),
      { numRuns: 500 },
    );
  });

  it('has no value, and a reason, with one class', () => {
    expect(compute(auc, floats(0, 0), floats(0.1, 0.2))).toEqual({ reason: 'only one class: 0 positives among 2 rows' });
    expect(compute(auc, floats(1), floats(0.1))).toEqual({ reason: 'only one class: 1 positives among 1 rows' });
  });
});

describe('the other metrics', () => {
  it('logLoss is the mean negative log likelihood, finite at 0 and 1', () => {
    expect(compute(logLoss, floats(1, 0, 1), floats(0.9, 0.2, 0.4))).toBeCloseTo(plainLogLoss([1, 0, 1], floats(0.9, 0.2, 0.4)), 12);
    expect(compute(logLoss, floats(0), floats(1))).toBeCloseTo(-Math.log(1e-7), 6);
  });

  it('pcoc is the mean prediction over the mean label', () => {
    expect(compute(pcoc, floats(1, 0, 0, 0), floats(0.5, 0.25, 0.25, 0.5))).toBe(1.5);
    expect(compute(pcoc, floats(0), floats(0.5))).toEqual({ reason: 'no positives among 1 rows' });
  });

  it('rmse and r2 are 0 and 1 for a perfect prediction, and r2 is 0 for the mean', () => {
    expect([compute(rmse, floats(1, 2, 3), floats(1, 2, 3)), compute(r2, floats(1, 2, 3), floats(1, 2, 3))]).toEqual([0, 1]);
    expect([compute(rmse, floats(1, 3), floats(2, 2)), compute(r2, floats(1, 3), floats(2, 2))]).toEqual([1, 0]);
    expect(compute(r2, floats(2, 2), floats(1, 3))).toEqual({ reason: 'all 2 labels are equal' });
  });
});

const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });

describe('spaces', () => {
  const tasks = [task('ctr', { label: 'click' }), task('cvr', { label: 'purchase', given: 'click' })];

  it('measures a conversion after the click, over all rows, and together with the click', () => {
    expect(spacesOf(tasks).map(({ name, where, factors }) => [name, where, factors])).toEqual([
      ['ctr', undefined, ['ctr']],
      ['cvr', 'click', ['cvr']],
      ['cvr_all', undefined, ['cvr']],
      ['ctcvr', undefined, ['ctr', 'cvr']],
    ]);
  });

  it('follows a funnel of any length down to what is given nothing', () => {
    const chain = [...tasks, task('return', { label: 'returned', given: 'purchase' })];
    expect(spacesOf(chain).slice(4).map(({ name, where, factors }) => [name, where, factors])).toEqual([
      ['return', 'purchase', ['return']],
      ['return_all', undefined, ['return']],
      ['ctreturn', undefined, ['ctr', 'cvr', 'return']],
    ]);
    expect(spacesOf([task('a', { label: 'x', given: 'y' }), task('b', { label: 'y', given: 'x' })]).map(({ name }) => name)).toEqual(['a', 'a_all', 'b', 'b_all']);
  });

  it('tells predictions that several spaces share once', () => {
    expect(predictedSpaces(spacesOf(tasks)).map(({ name }) => name)).toEqual(spacesOf(tasks).map(({ name }) => name).filter((name) => name !== 'cvr_all'));
  });

  it('has no joint space where no task predicts the condition', () => {
    expect(spacesOf([tasks[1]!]).map(({ name }) => name)).toEqual(['cvr', 'cvr_all']);
  });

  it('are reported each over its own rows, batch by batch as at once', () => {
    const click = floats(1, 1, 0, 1, 0);
    const purchase = floats(1, 0, 0, 0, 0);
    const ctr = floats(0.9, 0.5, 0.25, 0.5, 0.125);
    const cvr = floats(0.5, 0.25, 0.75, 0.125, 0.5);
    const report = (cuts: number[]) => {
      const collector = createCollector(spacesOf(tasks));
      [0, ...cuts].forEach((begin, i) => {
        const end = cuts[i] ?? 5;
        const part = (values: Float32Array): Float32Array => values.slice(begin, end);
        collector.add(
          { rows: end - begin, ids: new Map(), numbers: new Map(), bags: new Map(), labels: new Map([['click', part(click)], ['purchase', part(purchase)]]) },
          new Map([['ctr', part(ctr)], ['cvr', part(cvr)]]),
        );
      });
      return collector.report();
    };
    const whole = report([]);
    expect(whole).toEqual(report([1, 3]));
    expect(whole['ctr']).toMatchObject({ rows: 5, positives: 3, auc: 1 });
    expect(whole['cvr']).toMatchObject({ rows: 3, positives: 1, auc: 1, pcoc: expect.closeTo(0.875, 12) as number });
    expect(whole['cvr_all']).toMatchObject({ rows: 5, positives: 1, auc: 0.625 });
    expect(whole['ctcvr']).toMatchObject({ rows: 5, positives: 1, auc: 1 });
  });

  it('gives null with a reason where a metric is not defined', () => {
    const collector = createCollector(spacesOf(tasks));
    collector.add(
      { rows: 2, ids: new Map(), numbers: new Map(), bags: new Map(), labels: new Map([['click', floats(0, 0)], ['purchase', floats(0, 0)]]) },
      new Map([['ctr', floats(0.5, 0.5)], ['cvr', floats(0.5, 0.5)]]),
    );
    const names = metrics.filter(({ taskType }) => taskType === tasks[1]!.type).map(({ name }) => name);
    const allOf = (value: unknown): object => Object.fromEntries(names.map((name) => [name, value]));
    expect(collector.report()['cvr']).toEqual({ rows: 0, positives: 0, ...allOf(null), reasons: allOf('no rows') });
  });

  it('refuses predictions that are not finite', () => {
    const collector = createCollector(spacesOf([tasks[0]!]));
    const batch = { rows: 1, ids: new Map(), numbers: new Map(), bags: new Map(), labels: new Map([['click', floats(0)]]) };
    expect(() => collector.add(batch, new Map([['ctr', floats(NaN)]]))).toThrow(/not finite/);
  });
});
