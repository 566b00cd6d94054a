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
    ['no label', ['ctr: { weight: 1 }'], 'tasks.ctr.label: is missing; expected a text or a number or a map'],
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
      'tasks.ctr.label: a condition is 1 or 0, and the task is a regression',
    ],
    [
      'a column of a condition among the features',
      ['ctr: { label: { any: [{ column: ms, above: 7 }, { not: { column: id, equals: 3 } }] } }'],
      "features.f.fields.0: column 'id' is a label; as a feature it would give the answer away",
    ],
    ['what a task is given, among the features', ['ctr: { label: click, given: id }'], "column 'id' is a label"],
    [
      'a task that is given itself',
      ['ctr: { label: { column: ms, above: 7 }, given: ctr }'],
      'tasks.ctr.given: expected another column than the label',
    ],
    [
      'a task that is given its own label',
      ['ctr: { label: click, given: { label: click } }'],
      'tasks.ctr.given.label: expected another column than the label',
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
      'tasks.ctr.onMissing: a regression has no negatives; take mask or drop',
    ],
    [
      'positives of a regression',
      ['ctr: { label: ms, type: regression, positiveWeight: 2 }'],
      'tasks.ctr.positiveWeight: a regression has no positives; take sampleWeight',
    ],
    [
      'a scaling of a class',
      ['ctr: { label: click, scaling: standard }'],
      'tasks.ctr.scaling: a class is 1 or 0, and nothing to scale; leave it out, or take type: regression',
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
      'tasks.ctr.loss: huber is not for a classification; take cross-entropy, focal, hinge',
    ],
    [
      'a class for a loss of numbers',
      ['ms: { label: ms, type: regression, loss: focal }'],
      'tasks.ms.loss: focal is not for a regression; take cross-entropy, squared, absolute, huber, poisson, ziln',
    ],
    [
      'a scaling of counts',
      ['n: { label: n, type: regression, loss: poisson, scaling: standard }'],
      'tasks.n.scaling: poisson means the label as it is; leave scaling out, or take another loss',
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
  ])('with %s are told where and why', (_, taskLines, message) => {
    expect(() => parseConfig(configOf(taskLines), 'bad.yaml')).toThrow(message);
  });

  it.each([
    [
      'a term that is none',
      'training: { lossWeights: { ctcvr: 2 } }',
      "training.lossWeights.ctcvr: the loss has no term 'ctcvr'; its terms are ctr, cvr; did you mean 'ctr'?",
    ],
    [
      'a weight below 0',
      'training: { lossWeights: { cvr: -1 } }',
      'training.lossWeights.cvr: expected at least 0, found -1',
    ],
  ])('have terms to be weighed; %s is told', (_, more, message) => {
    expect(() =>
      parseConfig(configOf(['ctr: { label: click }', 'cvr: { label: buy, given: click }'], more), 'bad.yaml'),
    ).toThrow(message);
  });

  it.each(['0', '1.5', '-0.1', 'few'])('are not learned from a share of %s of the negatives', (share) => {
    const said = configOf(['ctr: { label: click }']).replace('a.csv', `a.csv, negativeSampling: { rate: ${share} }`);
    expect(() => parseConfig(said, 'bad.yaml')).toThrow('data.negativeSampling.rate: expected');
  });

  it.each(['esmm', 'aitm', 'escm2-dr'])(
    'are refused by %s with a loss that says no logit of a probability',
    (model) => {
      const lines = ['ctr: { label: click, loss: hinge }', 'cvr: { label: buy, given: click, loss: focal }'];
      expect(() => parseConfig(configOf(lines, 'training: { monitor: loss }', model), 'bad.yaml')).toThrow(
        /tasks\.ctr\.loss: \S+ (multiplies|compares) probabilities, and hinge does not say the logit of one; take cross-entropy or focal, or another model, as mmoe/,
      );
    },
  );

  it('are not learned from a sample with a loss whose predictions could not be corrected', () => {
    const said = configOf(['ctr: { label: click, loss: hinge }']).replace(
      'a.csv',
      'a.csv, negativeSampling: { rate: 0.1 }',
    );
    expect(() => parseConfig(said, 'bad.yaml')).toThrow(
      "data.negativeSampling: predictions of 'ctr' are no probabilities with the loss hinge",
    );
  });

  it('may be given each other by name, in esmm too', () => {
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
