import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { UserError } from '../../src/core/errors.js';

/** Returns the problems of a config whose section `training` has this line, which is line 10. */
function problems(line: string, data = '{ train: a.csv, valid: b.csv }', model = 'esmm'): readonly string[] {
  const text = `data: ${data}
features:
  user: { type: categorical, fields: [101] }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model:
  name: ${model}
training:
  ${line}
`;
  try {
    parseConfig(text, 'bad.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).exitCode).toBe(2);
    return (error as UserError).message.split('\n');
  }
  return [];
}

describe('step and validation options', () => {
  it.each([
    [
      'evaluation: {}',
      /^bad\.yaml:10:\d+: training\.evaluation: expected either everySteps or everyRows, as in \{ everySteps: 1000 \}$/,
    ],
    [
      'evaluation: { everySteps: 5, everyRows: 5 }',
      /^bad\.yaml:10:\d+: training\.evaluation: expected either everySteps or everyRows/,
    ],
    [
      'evaluation: { everySteps: 5, everyRow: 5 }',
      /^bad\.yaml:10:\d+: training\.evaluation\.everyRow: unknown key; did you mean 'everyRows'\?/,
    ],
    [
      'clip: {}',
      /^bad\.yaml:10:\d+: training\.clip: expected norm or value, found neither; write clip: \{ norm: 1 \}, or remove clip$/,
    ],
    ['clip: { separate: true }', /^bad\.yaml:10:\d+: training\.clip: expected norm or value/],
    ['clip: { norm: 0 }', /^bad\.yaml:10:\d+: training\.clip\.norm: expected more than 0, found 0/],
    ['accumulateBatches: 0', /^bad\.yaml:10:\d+: training.accumulateBatches: expected at least 1, found 0/],
    [
      'schedule: { name: cosin, steps: 5 }',
      /^bad\.yaml:10:\d+: training\.schedule.*found "cosin"; did you mean 'cosine'\?/,
    ],
    [
      'schedule: cosin',
      /^bad\.yaml:10:\d+: training\.schedule: expected constant, .*found "cosin"; did you mean 'cosine'\?$/,
    ],
    [
      'schedule: { name: step, factor: 0.5 }',
      /^bad\.yaml:10:\d+: training\.schedule\.everySteps: expected steps, a share of training or epochs, as in 500, 5% or 2 epochs, found nothing$/,
    ],
    [
      'lossWeighting: { name: nashmtl }',
      /^bad\.yaml:10:\d+: training\.lossWeighting.*found "nashmtl"; did you mean 'nash-mtl'\?/,
    ],
    [
      'optimizer: { dense: { name: adamax } }',
      /^bad\.yaml:10:\d+: training\.optimizer\.dense.*found "adamax"; did you mean 'adam\w?'\?/,
    ],
    [
      'lossWeighting: { name: metabalance, target: cvr }',
      /^bad\.yaml:10:\d+: training\.lossWeighting\.target: expected a loss term \(ctr, ctcvr\), found "cvr"/,
    ],
  ])('are rejected with location and fix: %s', (line, expected) => {
    expect(problems(line)).toEqual([expect.stringMatching(expected) as string]);
  });

  it.each(['evaluation: { everySteps: 5 }', 'schedule: { name: plateau }', 'earlyStopping: {}', 'monitor: ctr.auc'])(
    'require a validation set: %s',
    (line) => {
      expect(problems(line, '{ train: a.csv }')).toEqual([
        expect.stringMatching(
          /^bad\.yaml:10:\d+: training\.\w+: .*requires a validation set; set data\.valid/,
        ) as string,
      ]);
      expect(problems(line)).toEqual([]);
    },
  );

  it('name terms like the model', () => {
    expect(problems('lossWeighting: { name: metabalance, target: cvr }', undefined, 'mmoe')).toEqual([]);
    expect(problems('lossWeighting: { name: metabalance, target: ctcvr }', undefined, 'mmoe')).toEqual([
      expect.stringContaining('expected a loss term (ctr, cvr)') as string,
    ]);
  });

  it('let a plateau schedule decay before early stopping', () => {
    const both = (patience: number, minDelta = 0): readonly string[] =>
      problems(
        `schedule: { name: plateau, patience: ${patience}, minDelta: ${minDelta} }\n  earlyStopping: { patience: 3 }`,
      );
    expect(both(3)).toEqual([
      expect.stringMatching(
        /^bad\.yaml:10:\d+: training\.schedule\.patience: expected less than training\.earlyStopping\.patience \(3\), found 3: .*increase earlyStopping\.patience$/,
      ) as string,
    ]);
    expect(both(2)).toEqual([]);
    // Their definitions of progress differ, so their patience is not comparable.
    expect(both(3, 0.1)).toEqual([]);
  });
});
