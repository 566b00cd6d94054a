import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dumpConfig } from '../../src/config/dump.js';
import { loadConfig, parseConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { UserError } from '../../src/core/errors.js';
import { encodings } from '../../src/features/encodings/encodings.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { models } from '../../src/models/models.js';
import { scratchFolder } from '../support/scratch.js';

const MINIMAL = `
data: { train: train.csv, valid: valid.csv }
features:
  user: { type: categorical, fields: [101, 109_14] }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm }
`;

/** Adds feature groups to the minimal config. */
const withGroup = (...groups: string[]): string =>
  MINIMAL.replace('tasks:', `${groups.map((group) => `  ${group}\n`).join('')}tasks:`);

/** Returns the lines of a config error. */
function problems(text: string, ...overrides: string[]): string[] {
  try {
    parseConfig(text, 'bad.yaml', overrides.map(parseOverride));
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).exitCode).toBe(2);
    return (error as UserError).message.split('\n');
  }
  return [];
}

describe('config', () => {
  it('has defaults and is named after its file', () => {
    const experiment = parseConfig(MINIMAL, 'configs/small.yaml');
    expect(experiment.name).toBe('small');
    expect(experiment.features['user']!.fields).toEqual(['101', '109_14']);
    expect(experiment.training.optimizer.embeddings).toEqual({
      name: 'adam',
      learningRate: 0.001,
      betas: [0.9, 0.999],
      epsilon: 1e-8,
      weightDecay: 0,
      l1: 0,
      lazy: true,
    });
  });

  it('with a row-wise optimizer for dense weights suggests an alternative', () => {
    const text = `${MINIMAL}training:\n  optimizer: { dense: { name: row-wise-adagrad } }\n`;
    expect(problems(text)).toEqual([
      "bad.yaml:10:31: training.optimizer.dense.name: 'row-wise-adagrad' requires rows of tables, " +
        "which dense weights do not have; use 'adagrad'",
    ]);
  });

  for (const file of readdirSync('configs', { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.yaml'),
  )) {
    it(`${file} loads back from its resolved form equal to itself`, async () => {
      const { experiment } = await loadConfig(join('configs', file));
      expect(parseConfig(dumpConfig(experiment), join(scratchFolder(), 'other.yaml'))).toEqual(experiment);
    });
  }

  it('accepts a component name in place of its options', () => {
    const named = (training: string, bottom: string) =>
      parseConfig(
        'data: { train: a.csv, valid: b.csv }\nfeatures: { user: { type: categorical, fields: [101] } }\n' +
          'tasks: { ctr: { label: click }, cvr: { label: purchase, given: click } }\n' +
          `model: { name: esmm, bottom: ${bottom} }\ntraining: ${training}\n`,
        'named.yaml',
      );
    expect(named('{ schedule: plateau, lossWeighting: dwa }', 'ple')).toEqual(
      named('{ schedule: { name: plateau }, lossWeighting: { name: dwa } }', '{ name: ple }'),
    );
  });

  it('with every feature type loads back from its resolved form equal to itself', () => {
    const text = withGroup(
      'bag: { type: bag, fields: [seen, bought], table: { seen: 101 }, maxItems: 9, pooling: sqrtn, separators: ' +
        '{ items: " " } }',
      'hashed: { type: categorical, fields: [shop], encoding: { name: hash, buckets: 10 } }',
      'cross: { type: cross, fields: [[101, 7]], buckets: 10 }',
      'price: { type: bucketized, fields: [price], quantiles: 4 }',
      'hour: { type: bucketized, fields: [hour], boundaries: [-1.5, 6] }',
      'number: { type: numeric, fields: [price] }',
    );
    const experiment = parseConfig(text, 'every.yaml');
    expect(experiment.features['bag']).toMatchObject({
      separators: { items: ' ', weight: ':' },
      width: 16,
      pooling: 'sqrtn',
    });
    expect(parseConfig(dumpConfig(experiment), join(scratchFolder(), 'other.yaml'))).toEqual(experiment);
  });

  it('reports all problems at once, each with its location, and the expected and found value', () => {
    const text = `seed: -1
data:
  trian: x.csv
features:
  user:
    type: categorical
    widht: 16
    fields: [a]
  other: { type: categoricl }
tasks:
  ctr: { label: click }
model: { name: esm }
training:
  epochs: 0
  monitor: ctr.acu
  optimizer: { dense: { learningRate: fast } }
`;
    expect(problems(text)).toEqual([
      'bad.yaml:1:7: seed: expected at least 0, found -1',
      "bad.yaml:3:3: data.trian: unknown key; did you mean 'train'?",
      "bad.yaml:7:5: features.user.widht: unknown key; did you mean 'width'?",
      `bad.yaml:9:18: features.other.type: expected ${featureTypes.names.join(', ')}, found "categoricl"; ` +
        `did you mean 'categorical'?`,
      `bad.yaml:12:16: model.name: expected ${models.names.join(', ')}, found "esm"; did you mean 'esmm'?`,
      'bad.yaml:14:11: training.epochs: expected at least 1, found 0',
      'bad.yaml:16:39: training.optimizer.dense.learningRate: expected a number, found "fast"',
    ]);
  });

  it.each([
    [
      'a label among the features',
      MINIMAL.replace('109_14', 'click'),
      "bad.yaml:4:44: features.user.fields.1: column 'click' is a label and would leak the answer; " +
        'remove it from features',
    ],
    [
      'a duplicate column',
      MINIMAL.replace('109_14', '101'),
      "bad.yaml:4:44: features.user.fields.1: column '101' is already a feature, in group 'user'; remove one",
    ],
    [
      'a size for an unknown field',
      MINIMAL.replace('109_14]', '109_14], encoding: { sizes: { 102: 5 } }'),
      "features.user.encoding.sizes.102: not a field of this group; did you mean '101'?",
    ],
    [
      'a size for a field with a shared table',
      MINIMAL.replace('109_14]', '109_14], table: { 109_14: 101 }, encoding: { sizes: { 109_14: 5 } }'),
      "features.user.encoding.sizes.109_14: '109_14' shares the table of '101'; set it there",
    ],
    [
      'a table of an unknown field',
      withGroup('bag: { type: bag, fields: [seen], table: 102 }'),
      `bad.yaml:5:44: features.bag.table: expected a field with a table, found "102"; did you mean '101'?`,
    ],
    [
      'a table for an unknown field',
      withGroup('bag: { type: bag, fields: [seen], table: { sen: 101 } }'),
      "features.bag.table.sen: not a field of this group; did you mean 'seen'?",
    ],
    [
      'the table of a numeric field',
      withGroup('n: { type: numeric, fields: [x] }', 'bag: { type: bag, fields: [seen], table: x }'),
      "features.bag.table: 'x' is a number, which has no table",
    ],
    [
      'the table of a field with a shared table',
      withGroup('a: { type: bag, fields: [a], table: 101 }', 'b: { type: bag, fields: [b], table: { b: a } }'),
      "features.b.table.b: 'a' shares the table of '101'; use '101'",
    ],
    [
      'another width than its table',
      withGroup('bag: { type: bag, fields: [seen], table: 101, width: 8 }'),
      "bad.yaml:5:56: features.bag.width: 'seen' has width 8, but shares the table of '101' with width 16; " +
        'set the same width',
    ],
    [
      'another encoding than its table',
      withGroup('bag: { type: bag, fields: [seen], table: 101, encoding: { name: tokens, minCount: 2 } }'),
      "features.bag.encoding: 'seen' is encoded as tokens minCount 2, but shares the table of '101', " +
        'encoded as ids; set the same encoding',
    ],
    [
      'a cross of a label',
      withGroup('x: { type: cross, fields: [[101, click]], buckets: 10 }'),
      "features.x.fields.0: column 'click' is a label",
    ],
    [
      'a duplicate cross',
      withGroup('x: { type: cross, fields: [[101, a], [101, a]], buckets: 10 }'),
      "features.x.fields.1: '101_X_a' is already a feature, in group 'x'",
    ],
    [
      'a cross with itself',
      withGroup('x: { type: cross, fields: [[101, 101]], buckets: 10 }'),
      "bad.yaml:5:36: features.x.fields.0.1: column '101' is listed twice; remove one",
    ],
    [
      'a cross of columns instead of lists',
      withGroup('x: { type: cross, fields: [101, 7], buckets: 10 }'),
      'features.x.fields.0: expected a list of columns to combine, as in fields: [[user, item]], ' +
        'or a map with columns, found 101',
    ],
    [
      'a cross of one column',
      withGroup('x: { type: cross, fields: [[101]], buckets: 10 }'),
      'features.x.fields.0: expected at least 2 items, found ["101"]',
    ],
    [
      'one separator for two purposes',
      withGroup("b: { type: bag, fields: [b], separators: { items: ':' } }"),
      'features.b.separators.weight: expected a character other than the item separator, found ":" for both',
    ],
    [
      'a digit as a separator',
      withGroup("b: { type: bag, fields: [b], separators: { items: '1' } }"),
      'features.b.separators.items: expected a single character other than a letter, digit, dot, sign, ' +
        'quote or line break, found "1"',
    ],
    [
      'unsorted boundaries',
      withGroup('b: { type: bucketized, fields: [b], boundaries: [1, 2, 2] }'),
      'bad.yaml:5:58: features.b.boundaries.2: expected more than the previous boundary, 2, found 2',
    ],
    [
      'neither boundaries nor quantiles',
      withGroup('b: { type: bucketized, fields: [b] }'),
      'features.b: has neither boundaries nor quantiles; set one of them',
    ],
    [
      'both boundaries and quantiles',
      withGroup('b: { type: bucketized, fields: [b], quantiles: 4, boundaries: [1] }'),
      'features.b.quantiles: boundaries and quantiles are mutually exclusive; remove one',
    ],
    [
      'tasks that the model does not support',
      MINIMAL.replace(', given: click', ''),
      'bad.yaml:6:3: tasks: esmm requires a task with given; set it',
    ],
    ['an unknown monitor', `${MINIMAL}training: { monitor: cvr.acu }\n`, `found "cvr.acu"; did you mean 'cvr.auc'?`],
    [
      'early stopping without a validation set',
      `${MINIMAL.replace(', valid: valid.csv', '')}training: { earlyStopping: {} }\n`,
      'training.earlyStopping: requires a validation set; set data.valid',
    ],
    [
      'a task named like the output of another',
      MINIMAL.replace('ctr:', 'cvr_all:'),
      "'cvr_all' is also an output of another task",
    ],
    [
      'experts without layers',
      MINIMAL.replace('{ name: esmm }', '{ name: mmoe, experts: { hidden: [] } }'),
      'bad.yaml:8:41: model.experts.hidden: expected at least one layer',
    ],
    [
      'a tower of an unknown task',
      MINIMAL.replace('{ name: esmm }', '{ name: mmoe, towers: { cvt: { hidden: [4] } } }'),
      "model.towers.cvt: unknown task 'cvt'; did you mean 'cvr'?",
    ],
    ['a recursive alias', MINIMAL.replace('name: esmm', 'name: &a [*a]'), "bad.yaml:8:20: '*a' contains itself"],
    ['an unknown alias', MINIMAL.replace('name: esmm', 'name: *a'), "alias '*a' has no anchor before it"],
    [
      'a merge key',
      MINIMAL.replace('{ name: esmm }', '{ <<: &a { name: esmm } }'),
      "bad.yaml:8:10: '<<' merges maps, which YAML 1.2 does not support; copy the keys here",
    ],
    [
      'a monitor without a validation set',
      `${MINIMAL.replace(', valid: valid.csv', '')}training: { monitor: ctr.auc }\n`,
      'training.monitor: requires a validation set; set data.valid',
    ],
    [
      'an unknown encoding',
      MINIMAL.replace('109_14]', '109_14], encoding: { name: token }'),
      `expected ${encodings.names.join(', ')}, found "token"; did you mean 'tokens'?`,
    ],
    ['an invalid group name', MINIMAL.replace('user:', '9user:'), 'bad.yaml:4:3: features.9user: expected a name'],
  ])('with %s is rejected', (_, text, expected) => {
    expect(problems(text).join('\n')).toContain(expected);
  });
});

describe('hostile YAML', () => {
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(', ')}]`),
  ].join('\n');

  it.each([
    ['an alias bomb', bomb, /nested aliases/],
    ['deep brackets', `a: ${'['.repeat(200_000)}`, /levels of nesting/],
    ['deep braces', `a: ${'{b: '.repeat(100_000)}`, /levels of nesting/],
    ['deep compact lists', `${'- '.repeat(3_000)}x`, /levels of nesting/],
    ['deep indentation', Array.from({ length: 900 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), /levels of nesting/],
    ['more than a megabyte', `# ${'x'.repeat(1_100_000)}`, /at most 1 MB, found 1\.1 MB/],
    ['a repeated key', 'seed: 1\nseed: 2\n', /bad\.yaml:2:1: duplicate key "seed"/],
    ['a syntax error', 'data: {train: x\nmodel: y', /bad\.yaml:2:/],
    ['a tab as indentation', 'data:\n\ttrain: x\n', /bad\.yaml:2:/],
    ['an unknown tag', 'seed: !!js/function x\n', /bad\.yaml:1:7/],
    ['__proto__', 'features: { __proto__: { polluted: 1 } }\n', /bad\.yaml:1:13: the key "__proto__" is not allowed/],
    ['constructor', 'constructor: { prototype: { polluted: 1 } }\n', /the key "constructor" is not allowed/],
    ['a map as a key', '? {a: b}\n: c\n', /expected a string as key/],
    ['two documents', 'seed: 1\n---\nseed: 2\n', /bad\.yaml:2:1: expected one document, found a second/],
    ['nothing', '', /is empty; expected a config/],
    ['a scalar', '42', /expected a map of sections/],
    ['a terminal escape', 'seed: "\\u001b[2Jx"\n', /found "\\u001b\[2Jx"/],
  ])('with %s is rejected quickly with a clear error', { timeout: 5000 }, (_, text, message) => {
    expect(problems(text).join('\n')).toMatch(message);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('--set', () => {
  it('overrides and adds values', () => {
    const experiment = parseConfig(
      MINIMAL,
      'a.yaml',
      [
        'training.epochs=7',
        'features.user.fields.0=102',
        'model.ctrTower={hidden: [4]}',
        'training.optimizer.dense.learningRate=0.5',
        'seed=1',
        'seed=2',
      ].map(parseOverride),
    );
    expect(experiment).toMatchObject({
      seed: 2,
      training: { epochs: 7, optimizer: { dense: { learningRate: 0.5 } } },
      model: { ctrTower: { hidden: [4], dropout: 0 } },
    });
    expect(experiment.features['user']!.fields).toEqual(['102', '109_14']);
  });

  it('removes a key if the value is null', () => {
    const text = `${MINIMAL}training: { epochs: 4, earlyStopping: { patience: 3 } }\n`;
    const { training } = parseConfig(
      text,
      'a.yaml',
      ['training.earlyStopping=null', 'training.epochs=null'].map(parseOverride),
    );
    expect([training.earlyStopping, training.epochs]).toEqual([undefined, 1]);
  });

  it.each([
    ['modle.name=x', "--set modle.name=x: modle: unknown key; did you mean 'model'?"],
    ['training.epochs=many', '--set training.epochs=many: training.epochs: expected a number, found "many"'],
    ['training.epochs=', '--set training.epochs=: expected a value after ='],
    ['seed.deep=1', '--set seed.deep=1: seed: expected a number, found {"deep":1}'],
    ['features.user.fields.9=x', 'the list has only 2 items; indices start at 0'],
    ['features.user.fields.x=x', 'expected a list index, found "x"'],
    ['features.user.type.x=1', 'features.user.type.x: its parent is "categorical", not a map or a list'],
    ['__proto__.polluted=1', 'the key "__proto__" is not allowed'],
    ['a.constructor.prototype.x=1', 'the key "constructor" is not allowed'],
    ['tasks={ctr: {label: click}, __proto__: {x: 1}}', 'the key "__proto__" is not allowed'],
    ['tasks={constructor: {label: click}}', 'the key "constructor" is not allowed'],
    ['epochs', 'expected a path of keys, =, and a value'],
    ['=5', 'expected a path of keys'],
    ['seed=[', 'the value is not valid YAML'],
    ['model=mmoe', 'model: expected a map, found "mmoe"; write { name: mmoe }'],
    ['training.optimizer.dense=sgd', 'training.optimizer.dense: expected a map, found "sgd"; write { name: sgd }'],
    ['data.train=[br].csv', `--set 'data.train="…"'`],
    ['seed=*a', "alias '*a' has no anchor before it"],
  ])('%s is rejected', (text, expected) => {
    const found = (() => {
      try {
        return problems(MINIMAL, text).join('\n');
      } catch (error) {
        return (error as UserError).message;
      }
    })();
    expect(found).toContain(expected);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('data paths', () => {
  it("are relative to the config's directory, otherwise to the working directory", async () => {
    const source = readFileSync('configs/esmm.yaml', 'utf8');
    const { experiment } = await loadConfig('configs/esmm.yaml');
    expect(experiment.data.train).toBe(join(process.cwd(), 'data/sample/train.csv'));
    const elsewhere = parseConfig(source.replaceAll('../data', 'data'), join(scratchFolder(), 'esmm.yaml'));
    expect(elsewhere.data.train).toBe(join(process.cwd(), 'data/sample/train.csv'));
  });
});
