import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { collectDirections } from '../../src/evaluation/metric-direction.js';
import { evaluationSection, resolveMeasuring } from '../../src/evaluation/options.js';
import { listOutputs } from '../../src/evaluation/outputs.js';
import { taskOptions } from '../../src/core/tasks.js';
import { getGoal, readMonitored } from '../../src/training/monitor.js';
import { parseMonitor, explainInvalidMonitor } from '../../src/training/monitor-sum.js';

const tasks = [
  { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
  { name: 'cvr', ...taskOptions.parse({ label: 'buy', given: 'click' }) },
];
const section = evaluationSection.parse({
  metrics: ['auc', 'logLoss', 'pcoc', { name: 'lift', top: '0.5%' }, { name: 'gauc', groupBy: 'user' }],
  segmentBy: ['hour'],
});
const goals = collectDirections(listOutputs(tasks), resolveMeasuring(section));
const wrong = (monitor: string): string | undefined => explainInvalidMonitor(monitor, goals, ['hour']);

describe('a monitor', () => {
  const report = {
    ctr: { rows: 2, auc: 0.75, 'lift@0.5%': 3 },
    ctcvr: { rows: 2, auc: 0.5, logLoss: 0.25 },
    'ctr[hour=7.5]': { rows: 1, auc: 1 },
  };

  it('is a metric or a weighted sum', () => {
    const valueOf = (monitor: string): number | null => readMonitored({ report, loss: 2 }, monitor);
    expect(valueOf('0.5*ctr.auc + 0.5 * ctcvr.auc')).toBe(0.625);
    expect(valueOf('ctr.auc - 0.1*ctcvr.logLoss')).toBeCloseTo(0.725, 12);
    expect(valueOf('-loss + 2*ctr.lift@0.5%')).toBe(4);
    expect(valueOf('ctr[hour=7.5].auc')).toBe(1);
    expect(valueOf('ctr.auc + ctr[hour=8].auc')).toBeNull();
    expect(parseMonitor('.5*ctr-x.auc')).toEqual([{ factor: 0.5, output: 'ctr-x', metric: 'auc' }]);
  });

  it('has the common direction of its terms', () => {
    for (const [monitor, goal] of [
      ['loss', 'lower'],
      ['ctr.auc', 'higher'],
      ['ctr.auc - loss', 'higher'],
      ['ctr.logLoss + 2*loss', 'lower'],
      ['ctr[hour=1].gauc_mean', 'higher'],
      ['- ctr.auc + loss', 'lower'],
    ] as const) {
      expect([monitor, wrong(monitor), getGoal(monitor, goals)]).toEqual([monitor, undefined, goal]);
    }
  });

  it.each([
    [
      'ctr.acu',
      /^expected one of loss, ctr\.auc, .* or a weighted sum of these, found "ctr\.acu"; did you mean 'ctr\.auc'\?$/,
    ],
    ['0.5*ctr.auc + 0.5*ctcvr.acu', /^'ctcvr\.acu' is not measured; .*did you mean 'ctcvr\.auc'\?$/],
    ['0.5*(ctr.auc + cvr.auc)', /^expected a weighted sum, such as 0\.5\*.*with spaces around \+ and -$/],
    ['ctr.auc*ctcvr.auc', /^expected a weighted sum, such as 0\.5\*/],
    ['ctr.auc+ctcvr.auc', /^expected a weighted sum, such as 0\.5\*/],
    ['ctr.auc + loss', /^mixes metrics to maximize and to minimize, in "ctr\.auc \+ loss"; subtract/],
    ['0*ctr.auc + loss', /^expected nonzero factors/],
    ['-ctr.auc', /^expected no minus before a single metric/],
    ['ctr.pcoc', /^expected one of loss/],
    ['ctr[day=1].auc', /^expected one of loss/],
    ['', /^expected one of loss/],
  ])('that is invalid is rejected with a fix: %s', (monitor, message) => {
    expect(wrong(monitor)).toMatch(message);
  });
});

describe('the evaluation section', () => {
  const config = (lines: string): string =>
    `data: { train: a.csv, valid: b.csv }
features: { user: { type: categorical, fields: [user] } }
tasks: { ctr: { label: click } }
model: { name: single-task }
${lines}`.replace('single-task', 'shared-bottom');
  const problem = (lines: string): string => {
    try {
      parseConfig(config(lines), 'x.yaml');
      return '';
    } catch (error) {
      return String(error);
    }
  };

  it('accepts metrics with and without options, which can be monitored', () => {
    const experiment = parseConfig(
      config(
        'evaluation: { metrics: [auc, { name: gauc, groupBy: user }, { name: lift, top: 5% }], segmentBy: ' +
          '[hour] }\ntraining: { monitor: ctr.gauc_mean }\ncheckpoints: { bestBy: [ctr.lift@5%] }',
      ),
      'x.yaml',
    );
    expect(
      resolveMeasuring(experiment.evaluation).metrics.flatMap(({ values }) => values.map(({ name }) => name)),
    ).toEqual(['auc', 'gauc', 'gauc_mean', 'gauc_groups', 'gauc_rows', 'gauc_oneClassGroups', 'lift@5%']);
  });

  it.each([
    ['evaluation: { metrics: [acu] }', /evaluation\.metrics\.0: expected auc, .*did you mean 'auc'\?/],
    ['evaluation: { metrics: [gauc] }', /evaluation\.metrics.0.groupBy: is missing/],
    [
      'evaluation: { metrics: [{ name: lift, top: 120% }] }',
      /evaluation\.metrics\.0\.top: expected a fraction above 0 and at most 1, such as 5% or 0\.05/,
    ],
    [
      'evaluation: { metrics: [{ name: gauc, groupBy: a }, { name: gauc, groupBy: b }] }',
      /evaluation\.metrics\.1: 'gauc' is already in the report; rename it with as: gauc_2/,
    ],
    ['evaluation: { segmentBy: [hour, hour] }', /evaluation.segmentBy.1: 'hour' is listed twice; remove one/],
    [
      'evaluation: { metrics: [auc] }\ntraining: { monitor: ctr.logLoss }',
      /training\.monitor: expected one of loss, ctr\.auc, or a weighted sum/,
    ],
    [
      'checkpoints: { bestBy: ["ctr.auc - loss"] }',
      /checkpoints\.bestBy\.0: expected a single metric of all rows, since it names a checkpoint link/,
    ],
  ])('rejects invalid values: %s', (lines, message) => {
    expect(problem(lines)).toMatch(message);
  });
});
