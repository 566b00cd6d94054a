import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';

const configOf = (taskLines: readonly string[], more = '', model = 'mmoe'): string => `data: { train: a.csv }
features:
  f: { type: categorical, fields: [id] }
tasks:
${taskLines.map((line) => `  ${line}\n`).join('')}model: { name: ${model} }
${more}`;

describe('tasks', () => {
  it.each([
    ['a list as label', ['ctr: { label: [click] }'], 'bad.yaml:5:17: tasks.ctr.label: expected'],
    ['no label', ['ctr: { weight: 1 }'], 'tasks.ctr.label: is missing; expected a string or a number or a map'],
    [
      'a label in an unsupported column',
      ['ctr: { label: __proto__ }'],
      'tasks.ctr.label: the column name __proto__ is not supported; rename the column',
    ],
    [
      'a condition without a comparison',
      ['ctr: { label: { column: ms } }'],
      'tasks.ctr.label: the column has no comparison',
    ],
    [
      'an unknown comparison',
      ['ctr: { label: { column: ms, abov: 7 } }'],
      "bad.yaml:5:31: tasks.ctr.label.abov: unknown key; did you mean 'above'?",
    ],
    [
      'an unknown comparison in a nested condition',
      ['ctr: { label: { any: [{ column: ms, abov: 7 }] } }'],
      "tasks.ctr.label.any.0.abov: unknown key; did you mean 'above'?",
    ],
    [
      'a limit that is neither number nor date',
      ['ctr: { label: { column: ms, above: fast } }'],
      'tasks.ctr.label.above: expected a number, or a date such as 2026-11-01',
    ],
    [
      'a condition for a regression',
      ['ctr: { label: { column: ms, above: 7 }, type: regression }'],
      'tasks.ctr.label: a condition gives labels 0 and 1, but the task is a regression; set type: ' +
        'classification, or use the column itself as label',
    ],
    [
      'a condition column among the features',
      ['ctr: { label: { any: [{ column: ms, above: 7 }, { not: { column: id, equals: 3 } }] } }'],
      "features.f.fields.0: column 'id' is a label and would leak the answer; remove it from features",
    ],
    ['a given column among the features', ['ctr: { label: click, given: id }'], "column 'id' is a label"],
    [
      'a task given itself',
      ['ctr: { label: { column: ms, above: 7 }, given: ctr }'],
      'tasks.ctr.given: expected a column other than the label',
    ],
    [
      'a task given its own label',
      ['ctr: { label: click, given: { label: click } }'],
      'tasks.ctr.given.label: expected a column other than the label',
    ],
    [
      'unknown violations',
      ['cvr: { label: buy, given: { label: click, violations: drop } }'],
      'tasks.cvr.given.violations: expected error, skip, keep, found "drop"',
    ],
    [
      'violations without a label',
      ['cvr: { label: buy, given: { violations: skip } }'],
      'tasks.cvr.given.label: is missing',
    ],
    [
      'an unknown onMissing',
      ['ctr: { label: click, onMissing: zero }'],
      'tasks.ctr.onMissing: expected error, mask, drop, negative, found "zero"',
    ],
    [
      'negatives for a regression',
      ['ctr: { label: ms, type: regression, onMissing: negative }'],
      'tasks.ctr.onMissing: a regression has no negatives; use mask or drop',
    ],
    [
      'positives for a regression',
      ['ctr: { label: ms, type: regression, positiveWeight: 2 }'],
      'tasks.ctr.positiveWeight: a regression has no positives; use sampleWeight',
    ],
    [
      'scaling for a classification',
      ['ctr: { label: click, scaling: standard }'],
      'tasks.ctr.scaling: classification labels are 0 or 1 and cannot be scaled; remove scaling, or set type: ' +
        'regression',
    ],
    [
      'an unknown scaling',
      ['ms: { label: ms, type: regression, scaling: standrd }'],
      'tasks.ms.scaling: expected none, log1p, min-max, standard, found "standrd"; did you mean \'standard\'?',
    ],
    [
      'two fitted scalings',
      ['ms: { label: ms, type: regression, scaling: [standard, min-max] }'],
      'tasks.ms.scaling.1: min-max undoes the preceding standard; remove one of them',
    ],
    [
      'a logarithm after a fitted scaling',
      ['ms: { label: ms, type: regression, scaling: [standard, log1p] }'],
      'tasks.ms.scaling.1: log1p after standard rejects labels outside the training range; reorder to [log1p, ' +
        'standard]',
    ],
    [
      'an unknown loss',
      ['ctr: { label: click, loss: focl }'],
      'tasks.ctr.loss: expected cross-entropy, focal, hinge, pairwise, listwise, jrc, squared, absolute, huber, ' +
        'poisson, ziln, found "focl"; did you mean \'focal\'?',
    ],
    ['an unknown loss with options', ['ctr: { label: click, loss: { name: focl } }'], "did you mean 'focal'?"],
    [
      'an unknown loss option',
      ['ctr: { label: click, loss: { name: focal, gama: 1 } }'],
      "tasks.ctr.loss.gama: unknown key; did you mean 'gamma'?",
    ],
    [
      'a regression loss for a classification',
      ['ctr: { label: click, loss: huber }'],
      'tasks.ctr.loss: huber does not support classification; use one of cross-entropy, focal, hinge',
    ],
    [
      'a classification loss for a regression',
      ['ms: { label: ms, type: regression, loss: focal }'],
      'tasks.ms.loss: focal does not support regression; use one of cross-entropy, squared, absolute, huber, ' +
        'poisson, ziln',
    ],
    [
      'scaling for counts',
      ['n: { label: n, type: regression, loss: poisson, scaling: standard }'],
      'tasks.n.scaling: loss poisson requires unscaled labels; remove scaling, or use another loss',
    ],
    ['a positiveWeight of 0', ['ctr: { label: click, positiveWeight: 0 }'], 'tasks.ctr.positiveWeight: expected'],
    [
      'an unknown positiveWeight',
      ['ctr: { label: click, positiveWeight: even }'],
      'tasks.ctr.positiveWeight: expected',
    ],
    [
      'a teacher of a regression',
      ['ctr: { label: ms, type: regression, distill: { column: q } }'],
      'tasks.ctr.distill: a regression has no probability to distill; use the column as label, or remove distill',
    ],
    [
      'a teacher of a loss without a logit',
      ['ctr: { label: click, loss: hinge, distill: { column: q } }'],
      'tasks.ctr.distill: requires a logit, which loss hinge does not have; use cross-entropy or focal',
    ],
    [
      'a teacher of a loss within groups',
      ['ctr: { label: click, loss: { name: listwise, groupBy: user }, distill: { column: q } }'],
      'tasks.ctr.distill: requires a logit, which loss listwise does not have; use cross-entropy or focal',
    ],
    [
      'a temperature of 0',
      ['ctr: { label: click, distill: { column: q, temperature: 0 } }'],
      'tasks.ctr.distill.temperature: expected',
    ],
    [
      'a share above 1',
      ['ctr: { label: click, distill: { column: q, weight: 2 } }'],
      'tasks.ctr.distill.weight: expected',
    ],
    ['an invalid sample weight', ['ctr: { label: click, sampleWeight: 0.5 }'], 'tasks.ctr.sampleWeight: expected'],
  ])('reject %s with location and reason', (_, taskLines, message) => {
    expect(() => parseConfig(configOf(taskLines), 'bad.yaml')).toThrow(message);
  });

  it.each([
    [
      'an unknown term',
      'training: { lossWeights: { ctcvr: 2 } }',
      "training.lossWeights.ctcvr: unknown loss term 'ctcvr'; expected one of ctr, cvr; did you mean 'ctr'?",
    ],
    [
      'a negative weight',
      'training: { lossWeights: { cvr: -1 } }',
      'training.lossWeights.cvr: expected at least 0, found -1',
    ],
  ])('accept loss weights by term, but not %s', (_, more, message) => {
    expect(() =>
      parseConfig(configOf(['ctr: { label: click }', 'cvr: { label: buy, given: click }'], more), 'bad.yaml'),
    ).toThrow(message);
  });

  it.each(['0', '1.5', '-0.1', 'few'])('reject downsampled negatives with the share %s', (share) => {
    const said = configOf(['ctr: { label: click }']).replace('a.csv', `a.csv, negativeSampling: { rate: ${share} }`);
    expect(() => parseConfig(said, 'bad.yaml')).toThrow('data.negativeSampling.rate: expected');
  });

  it.each(['esmm', 'aitm', 'escm2-dr'])('reject a loss without a logit in %s', (model) => {
    const lines = ['ctr: { label: click, loss: hinge }', 'cvr: { label: buy, given: click, loss: focal }'];
    expect(() => parseConfig(configOf(lines, 'training: { monitor: loss }', model), 'bad.yaml')).toThrow(
      /tasks\.ctr\.loss: \S+ (multiplies|compares) probabilities, but loss hinge has no logit; use cross-entropy or focal, or another model, such as mmoe/,
    );
  });

  it('reject downsampling with a loss whose predictions cannot be corrected', () => {
    const said = configOf(['ctr: { label: click, loss: hinge }']).replace(
      'a.csv',
      'a.csv, negativeSampling: { rate: 0.1 }',
    );
    expect(() => parseConfig(said, 'bad.yaml')).toThrow(
      "data.negativeSampling: predictions of 'ctr' are not probabilities with loss hinge, so they cannot be corrected",
    );
  });

  it('depend on each other by name in given, also in esmm', () => {
    const lines = [
      'ctr: { label: { column: ms, above: 7 } }',
      'cart: { label: cart, given: ctr }',
      'pay: { label: pay, given: { label: cart, violations: keep } }',
    ];
    for (const model of ['esmm', 'aitm', 'mmoe'])
      expect(Object.keys(parseConfig(configOf(lines, 'training: { monitor: loss }', model), 'x.yaml').tasks)).toEqual([
        'ctr',
        'cart',
        'pay',
      ]);
  });
});
