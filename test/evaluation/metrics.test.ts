/** @module-tag long */
import { toBatch } from '../support/batches.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCollector, type OutputReport } from '../../src/evaluation/evaluation.js';
import { metricParts } from '../../src/evaluation/metrics.js';
import { listOutputs, listPredictedOutputs } from '../../src/evaluation/outputs.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import { batchOf, measuring, reportOf, spacesOfType } from '../support/measured.js';
import { logLoss as plainLogLoss } from '../support/reference.js';

const floats = (...values: number[]): Float32Array => Float32Array.from(values);

/** Options of the metrics that cannot do without. */
const OPTIONS: Partial<Record<(typeof metricParts)['names'][number], object>> = {
  auc: { confidence: '95%' },
  gauc: { groupBy: 'user' },
  precision: { top: 0.4 },
  recall: { top: 0.4 },
  lift: { top: 0.4 },
  ndcg: { groupBy: 'user', k: 3 },
  hit: { groupBy: 'user', k: 1 },
};

/** One metric of rows that all come at once. */
function measured(
  spec: object & { readonly name: string; readonly groupBy?: string; readonly k?: number },
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  users: ArrayLike<number> = new Float32Array(labels.length),
): OutputReport {
  const { taskType } = metricParts.build(metricParts.schema.parse(spec));
  return reportOf({ metrics: [spec] }, { labels, predictions, columns: { user: users } }, taskType)['y']!;
}
const valueOf = (...[spec, ...rows]: Parameters<typeof measured>): number | { reason: string } => {
  const report = measured(spec, ...rows);
  return (report[spec.name] as number | null) ?? { reason: report.reasons![spec.name]! };
};

describe('every metric', () => {
  for (const { name } of metricParts.parts) {
    const spec = { name, ...OPTIONS[name] };
    const metric = metricParts.build(metricParts.schema.parse(spec));
    const main = metric.values[0];

    it(`${name} is better for a perfect prediction than for its opposite, if it has a direction`, () => {
      const labels = floats(0, 1, 1, 0, 1, 0);
      const [perfect, opposite] = [labels, labels.map((label) => 1 - label)].map(
        (predictions) => measured(spec, labels, predictions)[main.name] as number,
      ) as [number, number];
      if (main.goal === 'higher') expect(perfect).toBeGreaterThan(opposite);
      if (main.goal === 'lower') expect(perfect).toBeLessThan(opposite);
      expect(main.name.startsWith(name)).toBe(true);
    });

    it(`${name} does not depend on the order or the batches of rows, and does not modify its input`, () => {
      const row = fc.tuple(
        fc.boolean(),
        fc.oneof(fc.float({ min: Math.fround(0.01), max: Math.fround(0.99), noNaN: true }), fc.constantFrom(0.25, 0.5)),
        fc.integer({ min: 0, max: 3 }),
      );
      fc.assert(
        fc.property(fc.array(row, { minLength: 1 }), fc.nat(), (rows, cut) => {
          const labels = rows.map(([label]) => Number(label));
          const predictions = floats(...rows.map(([, p]) => p));
          const users = rows.map(([, , user]) => user);
          const before = [...predictions];
          const report = measured(spec, labels, predictions, users);
          expect([...predictions]).toEqual(before);
          for (const { name: value } of metric.values) {
            if (report[value] === null) expect(report.reasons![value]).not.toBe('');
            else expect(Number.isFinite(report[value])).toBe(true);
          }
          expect(measured(spec, labels.toReversed(), predictions.toReversed(), users.toReversed())).toEqual(report);

          const all = { labels, predictions, columns: { user: users } };
          const [first, second] = [0, 1].map(() =>
            createCollector(spacesOfType(metric.taskType), measuring({ metrics: [spec] })),
          );
          const middle = cut % (rows.length + 1);
          first!.add(batchOf(all, middle), new Map([['y', predictions.slice(middle)]]));
          second!.add(batchOf(all, 0, middle), new Map([['y', predictions.slice(0, middle)]]));
          first!.merge(second!);
          expect(first!.report()['y']).toEqual(report);
        }),
        { numRuns: 60 },
      );
    });
  }
});

describe('auc', () => {
  // A small alphabet makes ties; -0 ties with 0.
  const score = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom(-0, 1e-45, -1e-45, 3.4e38, 0.1, 0.2),
    fc.float({ noNaN: true, noDefaultInfinity: true }),
  );

  it('is the share of correctly ranked pairs; ties count half', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), score.map(Math.fround)), { minLength: 2, maxLength: 60 }), (rows) => {
        const positives = rows.filter(([label]) => label).map(([, p]) => p);
        const negatives = rows.filter(([label]) => !label).map(([, p]) => p);
        fc.pre(positives.length > 0 && negatives.length > 0);
        let right = 0;
        for (const p of positives) for (const n of negatives) right += p > n ? 1 : p === n ? 0.5 : 0;
        expect(
          valueOf(
            { name: 'auc' },
            rows.map(([label]) => Number(label)),
            rows.map(([, p]) => p),
          ),
        ).toBe(right / (positives.length * negatives.length));
      }),
      { numRuns: 500 },
    );
  });

  it('is undefined with a reason for a single class', () => {
    expect(valueOf({ name: 'auc' }, floats(0, 0), floats(0.1, 0.2))).toEqual({
      reason: 'only one class: 0 positives among 2 rows',
    });
    expect(valueOf({ name: 'auc' }, floats(1), floats(0.1))).toEqual({
      reason: 'only one class: 1 positives among 1 rows',
    });
  });
});

describe('the other metrics', () => {
  it('logLoss is the mean negative log likelihood, finite at 0 and 1', () => {
    expect(valueOf({ name: 'logLoss' }, floats(1, 0, 1), floats(0.9, 0.2, 0.4))).toBeCloseTo(
      plainLogLoss([1, 0, 1], floats(0.9, 0.2, 0.4)),
      12,
    );
    expect(valueOf({ name: 'logLoss' }, floats(0), floats(1))).toBeCloseTo(-Math.log(1e-7), 6);
  });

  it('pcoc is the mean prediction over the mean label', () => {
    expect(valueOf({ name: 'pcoc' }, floats(1, 0, 0, 0), floats(0.5, 0.25, 0.25, 0.5))).toBe(1.5);
    expect(valueOf({ name: 'pcoc' }, floats(0), floats(0.5))).toEqual({ reason: 'no positives among 1 rows' });
  });

  it('gauc counts groups of one class separately, and ignores rows without a key', () => {
    const report = measured(
      { name: 'gauc', groupBy: 'user' },
      [1, 0, 1, 0, 0, 1],
      [0.9, 0.1, 0.2, 0.8, 0.5, 0.5],
      [1, 1, 2, 2, 2, 3],
    );
    expect(report).toMatchObject({
      gauc: expect.closeTo((2 * 1 + 3 * 0) / 5, 12) as number,
      gauc_mean: 0.5,
      gauc_groups: 2,
      gauc_rows: 5,
      gauc_oneClassGroups: 1,
    });
    expect(measured({ name: 'gauc', groupBy: 'user' }, [1, 0], [0.9, 0.1], [1, 2]).reasons).toEqual({
      gauc: "no group of 'user' has both classes: 2 have one",
      gauc_mean: "no group of 'user' has both classes: 2 have one",
    });
  });

  it('precision, recall and lift split ties at the cut proportionally', () => {
    const [labels, predictions] = [
      [1, 1, 0, 0, 0, 1, 0, 0, 0, 0],
      [0.9, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1],
    ];
    const report = reportOf(
      { metrics: ['precision', 'recall', 'lift'].map((name) => ({ name, top: '30%' })) },
      { labels, predictions },
    )['y'];
    // The first row, and two of four with one positive among them.
    expect(report).toMatchObject({
      'precision@30%': 1.5 / 3,
      'recall@30%': 1.5 / 3,
      'lift@30%': expect.closeTo(0.5 / 0.3, 12) as number,
    });
  });

  it('hit is the probability of a positive for a random order of ties', () => {
    expect(measured({ name: 'hit', groupBy: 'user', k: 2 }, [1, 0, 0, 0], [0.5, 0.5, 0.5, 0.1])['hit@2']).toBeCloseTo(
      1 - (2 / 3) * (1 / 2),
      12,
    );
  });

  it('rmse and r2 are 0 and 1 for a perfect prediction, and r2 is 0 for the mean', () => {
    expect([
      valueOf({ name: 'rmse' }, floats(1, 2, 3), floats(1, 2, 3)),
      valueOf({ name: 'r2' }, floats(1, 2, 3), floats(1, 2, 3)),
    ]).toEqual([0, 1]);
    expect([
      valueOf({ name: 'rmse' }, floats(1, 3), floats(2, 2)),
      valueOf({ name: 'r2' }, floats(1, 3), floats(2, 2)),
    ]).toEqual([1, 0]);
    expect(valueOf({ name: 'r2' }, floats(2, 2), floats(1, 3))).toEqual({ reason: 'all 2 labels are equal' });
  });
});

const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });

describe('outputs', () => {
  const tasks = [task('ctr', { label: 'click' }), task('cvr', { label: 'purchase', given: 'click' })];

  it('include a conversion after the click, over all rows, and jointly with the click', () => {
    expect(listOutputs(tasks).map(({ name, where, factors }) => [name, where, factors])).toEqual([
      ['ctr', undefined, ['ctr']],
      ['cvr', 'click', ['cvr']],
      ['cvr_all', undefined, ['cvr']],
      ['ctcvr', undefined, ['ctr', 'cvr']],
    ]);
  });

  it('follow a funnel of any length to its root task', () => {
    const chain = [...tasks, task('return', { label: 'returned', given: 'purchase' })];
    expect(
      listOutputs(chain)
        .slice(4)
        .map(({ name, where, factors }) => [name, where, factors]),
    ).toEqual([
      ['return', 'purchase', ['return']],
      ['return_all', undefined, ['return']],
      ['ctreturn', undefined, ['ctr', 'cvr', 'return']],
    ]);
    expect(
      listOutputs([task('a', { label: 'x', given: 'y' }), task('b', { label: 'y', given: 'x' })]).map(
        ({ name }) => name,
      ),
    ).toEqual(['a', 'a_all', 'b', 'b_all']);
  });

  it('list a prediction that several outputs share once', () => {
    expect(listPredictedOutputs(listOutputs(tasks)).map(({ name }) => name)).toEqual(
      listOutputs(tasks)
        .map(({ name }) => name)
        .filter((name) => name !== 'cvr_all'),
    );
  });

  it('have no joint output if no task predicts the condition', () => {
    expect(listOutputs([tasks[1]!]).map(({ name }) => name)).toEqual(['cvr', 'cvr_all']);
  });

  it('are each reported over their own rows, for any batching', () => {
    const click = floats(1, 1, 0, 1, 0);
    const purchase = floats(1, 0, 0, 0, 0);
    const ctr = floats(0.9, 0.5, 0.25, 0.5, 0.125);
    const cvr = floats(0.5, 0.25, 0.75, 0.125, 0.5);
    const report = (cuts: number[]) => {
      const collector = createCollector(listOutputs(tasks));
      [0, ...cuts].forEach((begin, i) => {
        const end = cuts[i] ?? 5;
        const part = (values: Float32Array): Float32Array => values.slice(begin, end);
        collector.add(
          toBatch({
            rows: end - begin,
            labels: new Map([
              ['click', part(click)],
              ['purchase', part(purchase)],
            ]),
          }),
          new Map([
            ['ctr', part(ctr)],
            ['cvr', part(cvr)],
          ]),
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

  it('report null with a reason if a metric is undefined', () => {
    const collector = createCollector(listOutputs(tasks));
    collector.add(
      toBatch({
        rows: 2,
        labels: new Map([
          ['click', floats(0, 0)],
          ['purchase', floats(0, 0)],
        ]),
      }),
      new Map([
        ['ctr', floats(0.5, 0.5)],
        ['cvr', floats(0.5, 0.5)],
      ]),
    );
    const names = ['auc', 'logLoss', 'pcoc'];
    const allOf = (value: unknown): object => Object.fromEntries(names.map((name) => [name, value]));
    expect(collector.report()['cvr']).toEqual({ rows: 0, positives: 0, ...allOf(null), reasons: allOf('no rows') });
  });

  it('reject non-finite predictions', () => {
    const collector = createCollector(listOutputs([tasks[0]!]));
    const batch = toBatch({ rows: 1, labels: new Map([['click', floats(0)]]) });
    expect(() => collector.add(batch, new Map([['ctr', floats(NaN)]]))).toThrow(/not finite/);
  });
});
