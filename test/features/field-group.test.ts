import { describe, expect, it } from 'vitest';
import { crossChecks } from '../../src/config/experiment.js';
import { parseConfig } from '../../src/config/load.js';
import { encodingOptions, featureTypes, createFields, type FeatureSpec } from '../../src/features/feature-types.js';

const parsed = (spec: object): FeatureSpec => featureTypes.schema.parse(spec);
const problemsOf = (features: string): string => {
  const text =
    `data: { train: t.csv }\nfeatures:\n  g: ${features}\n` +
    '  other: { type: categorical, fields: [item], encoding: tokens }\ntasks: { ctr: { label: click } }\n' +
    'model: { name: mmoe }\n';
  try {
    parseConfig(text, 'c.yaml');
    return '';
  } catch (error) {
    return String(error);
  }
};

describe('a field with its own options', () => {
  it('has these, and otherwise those of its group', () => {
    const group = parsed({
      type: 'bag',
      width: 8,
      encoding: 'tokens',
      fields: ['a', { name: 'b', width: 4, pooling: 'sqrtn' }, { name: 101, encoding: { name: 'hash', buckets: 50 } }],
    });
    expect(
      createFields([group]).map((field) => [
        field.name,
        field.width,
        field.encodedAs,
        field.kind === 'bag' && field.pooling,
      ]),
    ).toEqual([
      ['a', 8, 'tokens minCount 1', 'mean'],
      ['b', 4, 'tokens minCount 1', 'sqrtn'],
      ['101', 8, 'hash buckets 50, seed 0', 'mean'],
    ]);
  });

  it('may replace a mutually exclusive option of its group', () => {
    const buckets = parsed({ type: 'bucketized', quantiles: 9, fields: ['a', { name: 'b', boundaries: [1, 2] }] });
    expect(createFields([buckets]).map(({ encodedAs }) => encodedAs)).toEqual([
      'one of 9 quantiles',
      'a bucket between boundaries',
    ]);
    const crosses = parsed({
      type: 'cross',
      buckets: 9,
      fields: [['a', 'b'], { columns: ['a', 'c'], encoding: 'tokens', width: 3 }],
    });
    expect(createFields([crosses]).map(({ name, width, startFit }) => [name, width, startFit === undefined])).toEqual([
      ['a_X_b', 16, true],
      ['a_X_c', 3, false],
    ]);
  });

  it('may set every option itself', () => {
    expect(
      createFields([
        parsed({
          type: 'bucketized',
          fields: [
            { name: 'a', boundaries: [1] },
            { name: 'b', quantiles: 3 },
          ],
        }),
      ]),
    ).toHaveLength(2);
  });

  it('keeps its encoding if its width changes, and not if another option does', () => {
    const optionsOf = (own: object): string =>
      JSON.stringify(encodingOptions(parsed({ type: 'categorical', fields: ['a', { name: 'b', ...own }] })));
    expect(optionsOf({ width: 4 })).toBe(optionsOf({ width: 5 }));
    expect(optionsOf({ encoding: 'tokens' })).not.toBe(optionsOf({}));
  });

  it('is dumped as configured, and loads back equal', () => {
    const spec = { type: 'categorical', fields: ['a', { name: 'b', width: 4 }] };
    expect(parsed(spec)).toMatchObject(spec);
    expect(parsed(parsed(spec))).toEqual(parsed(spec));
  });

  it.each([
    [
      'a key that is none',
      '{ type: categorical, fields: [a, { name: b, widht: 4 }] }',
      "c.yaml:3:50: features.g.fields.1.widht: unknown key; did you mean 'width'?",
    ],
    ['no name', '{ type: categorical, fields: [{ width: 4 }] }', 'features.g.fields.0.name: is missing'],
    [
      'an encoding that is none',
      '{ type: categorical, fields: [{ name: b, encoding: tokns }] }',
      'features.g.fields.0.encoding: expected auto, hash, ids, tokens, found "tokns"; did you mean \'tokens\'?',
    ],
    [
      'an encoding of which something is missing',
      '{ type: categorical, fields: [b], encoding: hash }',
      'features.g.encoding.buckets: is missing; expected a number',
    ],
    [
      'a label',
      '{ type: numeric, fields: [a, { name: click, fillMissing: mean, indicator: true }] }',
      "features.g.fields.1: column 'click' is a label",
    ],
    [
      'a field that is there already',
      '{ type: numeric, fields: [{ name: a, fillMissing: 0, indicator: true }, a] }',
      "features.g.fields.1: column 'a' is already a feature",
    ],
    [
      'boundaries out of order',
      '{ type: bucketized, quantiles: 3, fields: [a, { name: b, boundaries: [2, 1] }] }',
      'features.g.fields.1.boundaries.1: expected more than the previous boundary, 2, found 1',
    ],
    [
      'neither boundaries nor quantiles',
      '{ type: bucketized, fields: [{ name: b, width: 3 }] }',
      'features.g.fields.0: has neither boundaries nor quantiles; set one of them',
    ],
    [
      'a table of another width',
      '{ type: bag, width: 16, encoding: tokens, fields: [{ name: seen, table: item, width: 4 }] }',
      "features.g.fields.0.width: 'seen' has width 4, but shares the table of 'item' with width 16; set the same width",
    ],
    [
      'a cross whose encoding takes no text',
      '{ type: cross, fields: [[a, b]], encoding: ids }',
      'features.g.encoding: expected auto, hash or tokens, found "ids", which does not encode strings',
    ],
    [
      'a cross without buckets and encoding',
      '{ type: cross, fields: [[a, b]] }',
      'features.g: has neither buckets nor encoding; set one',
    ],
    [
      'a cross with both',
      '{ type: cross, fields: [[a, b]], buckets: 5, encoding: tokens }',
      'features.g.encoding: buckets and encoding are mutually exclusive; remove one',
    ],
    [
      'two scalings of which one undoes the other',
      '{ type: numeric, fields: [a], scaling: [standard, log1p, min-max] }',
      'features.g.scaling.2: min-max undoes the preceding standard; remove one of them',
    ],
    [
      'an indicator of cells that are an error',
      '{ type: numeric, fields: [a], indicator: true }',
      'features.g.indicator: requires a fill for missing values, which are an error here',
    ],
  ])('with %s is rejected at its location', (_, features, expected) => {
    expect(problemsOf(features)).toContain(expected);
  });

  it('reports an issue of its group once', () => {
    const found = problemsOf(
      '{ type: numeric, fields: [a, { name: b, fillMissing: 3 }], scaling: [standard, min-max] }',
    );
    expect(found.split('undoes')).toHaveLength(2);
    // What a config of before said is as right as it was.
    expect([...crossChecks({ features: { g: parsed({ type: 'categorical', fields: ['a'] }) } })]).toEqual([]);
  });
});
