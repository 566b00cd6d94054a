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
    ['a label that is neither', ['ctr: { label: [click] }'], 'bad.yaml:5:17: tasks.ctr.label: expected'],
    ['no label', ['ctr: { weight: 1 }'], 'tasks.ctr.label: is missing; expected a string or a number or a map'],
    [
      'a label in a column that no object can hold',
      ['ctr: { label: __proto__ }'],
      'tasks.ctr.label: the column name __proto__ is not supported; rename the column',
    ],
    [
      'a condition without a comparison',
      ['ctr: { label: { column: ms } }'],
      'tasks.ctr.label: the column has no comparison',
    ],
    [
      'a condition with a word nobody knows',
      ['ctr: { label: { column: ms, abov: 7 } }'],
      "bad.yaml:5:31: tasks.ctr.label.abov: unknown key; did you mean 'above'?",
    ],
    [
      'an unknown word deep in a condition',
      ['ctr: { label: { any: [{ column: ms, abov: 7 }] } }'],
      "tasks.ctr.label.any.0.abov: unknown key; did you mean 'above'?",
    ],
    [
      'a limit that is no number and no date',
      ['ctr: { label: { column: ms, above: fast } }'],
      'tasks.ctr.label.above: expected a number, or a date such as 2026-11-01',
    ],
    [
      'a condition of a regression',
      ['ctr: { label: { column: ms, above: 7 }, type: regression }'],
      'tasks.ctr.label: a condition gives labels 0 and 1, but the task is a regression; set type: classification, or use the column itself as label',
    ],
    [
      'a column of a condition among the features',
      ['ctr: { label: { any: [{ column: ms, above: 7 }, { not: { column: id, equals: 3 } }] } }'],
      "features.f.fields.0: column 'id' is a label and would leak the answer; remove it from features",
    ],
    ['what a task is given, among the features', ['ctr: { label: click, given: id }'], "column 'id' is a label"],
    [
      'a task that is given itself',
      ['ctr: { label: { column: ms, above: 7 }, given: ctr }'],
      'tasks.ctr.given: expected a column other than the label',
    ],
    [
      'a task that is given its own label',
      ['ctr: { label: click, given: { label: click } }'],
      'tasks.ctr.given.label: expected a column other than the label',
    ],
    [
      'violations that nobody knows',
      ['cvr: { label: buy, given: { label: click, violations: drop } }'],
      'tasks.cvr.given.violations: expected error, skip, keep, found "drop"',
    ],
    [
      'violations of nothing',
      ['cvr: { label: buy, given: { violations: skip } }'],
      'tasks.cvr.given.label: is missing',
    ],
    [
      'missing that nobody knows',
      ['ctr: { label: click, onMissing: zero }'],
      'tasks.ctr.onMissing: expected error, mask, drop, negative, found "zero"',
    ],
    [
      'negatives of a regression',
      ['ctr: { label: ms, type: regression, onMissing: negative }'],
      'tasks.ctr.onMissing: a regression has no negatives; use mask or drop',
    ],
    [
      'positives of a regression',
      ['ctr: { label: ms, type: regression, positiveWeight: 2 }'],
      'tasks.ctr.positiveWeight: a regression has no positives; use sampleWeight',
    ],
    [
      'a scaling of a class',
      ['ctr: { label: click, scaling: standard }'],
      'tasks.ctr.scaling: classification labels are 0 or 1 and cannot be scaled; remove scaling, or set type: regression',
    ],
    [
      'a scaling that nobody knows',
      ['ms: { label: ms, type: regression, scaling: standrd }'],
      'tasks.ms.scaling: expected none, log1p, min-max, standard, found "standrd"; did you mean \'standard\'?',
    ],
    [
      'two scalings that are fitted',
      ['ms: { label: ms, type: regression, scaling: [standard, min-max] }'],
      'tasks.ms.scaling.1: min-max undoes the preceding standard; remove one of them',
    ],
    [
      'a logarithm of what is fitted',
      ['ms: { label: ms, type: regression, scaling: [standard, log1p] }'],
      'tasks.ms.scaling.1: log1p after standard rejects labels outside the training range; reorder to [log1p, standard]',
    ],
    [
      'a loss that nobody knows',
      ['ctr: { label: click, loss: focl }'],
      'tasks.ctr.loss: expected cross-entropy, focal, hinge, pairwise, listwise, jrc, squared, absolute, huber, poisson, ziln, found "focl"; did you mean \'focal\'?',
    ],
    ['a loss with options that nobody knows', ['ctr: { label: click, loss: { name: focl } }'], "did you mean 'focal'?"],
    [
      'an option that a loss does not have',
      ['ctr: { label: click, loss: { name: focal, gama: 1 } }'],
      "tasks.ctr.loss.gama: unknown key; did you mean 'gamma'?",
    ],
    [
      'a loss of the other type of task',
      ['ctr: { label: click, loss: huber }'],
      'tasks.ctr.loss: huber does not support classification; use one of cross-entropy, focal, hinge',
    ],
    [
      'a class for a loss of numbers',
      ['ms: { label: ms, type: regression, loss: focal }'],
      'tasks.ms.loss: focal does not support regression; use one of cross-entropy, squared, absolute, huber, poisson, ziln',
    ],
    [
      'a scaling of counts',
      ['n: { label: n, type: regression, loss: poisson, scaling: standard }'],
      'tasks.n.scaling: loss poisson requires unscaled labels; remove scaling, or use another loss',
    ],
    ['a weight of positives of 0', ['ctr: { label: click, positiveWeight: 0 }'], 'tasks.ctr.positiveWeight: expected'],
    [
      'a weight of positives that nobody knows',
      ['ctr: { label: click, positiveWeight: even }'],
      'tasks.ctr.positiveWeight: expected',
    ],
    [
      'a sample weight that is no column',
      ['ctr: { label: click, sampleWeight: 0.5 }'],
      'tasks.ctr.sampleWeight: expected',
    ],
  ])('with %s are rejected with location and reason', (_, taskLines, message) => {
    expect(() => parseConfig(configOf(taskLines), 'bad.yaml')).toThrow(message);
  });

  it.each([
    [
      'a term that is none',
      'training: { lossWeights: { ctcvr: 2 } }',
      "training.lossWeights.ctcvr: unknown loss term 'ctcvr'; expected one of ctr, cvr; did you mean 'ctr'?",
    ],
    [
      'a weight below 0',
      'training: { lossWeights: { cvr: -1 } }',
      'training.lossWeights.cvr: expected at least 0, found -1',
    ],
  ])('have terms that can be weighted; rejects %s', (_, more, message) => {
    expect(() =>
      parseConfig(configOf(['ctr: { label: click }', 'cvr: { label: buy, given: click }'], more), 'bad.yaml'),
    ).toThrow(message);
  });

  it.each(['0', '1.5', '-0.1', 'few'])('are rejected with downsampled negatives and %s', (share) => {
    const said = configOf(['ctr: { label: click }']).replace('a.csv', `a.csv, negativeSampling: { rate: ${share} }`);
    expect(() => parseConfig(said, 'bad.yaml')).toThrow('data.negativeSampling.rate: expected');
  });

  it.each(['esmm', 'aitm', 'escm2-dr'])('are rejected by %s with a loss without a logit', (model) => {
    const lines = ['ctr: { label: click, loss: hinge }', 'cvr: { label: buy, given: click, loss: focal }'];
    expect(() => parseConfig(configOf(lines, 'training: { monitor: loss }', model), 'bad.yaml')).toThrow(
      /tasks\.ctr\.loss: \S+ (multiplies|compares) probabilities, but loss hinge has no logit; use cross-entropy or focal, or another model, such as mmoe/,
    );
  });

  it('are rejected with downsampling and a loss whose predictions cannot be corrected', () => {
    const said = configOf(['ctr: { label: click, loss: hinge }']).replace(
      'a.csv',
      'a.csv, negativeSampling: { rate: 0.1 }',
    );
    expect(() => parseConfig(said, 'bad.yaml')).toThrow(
      "data.negativeSampling: predictions of 'ctr' are not probabilities with loss hinge, so they cannot be corrected",
    );
  });

  it('may refer to each other by name in given, also in esmm', () => {
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
