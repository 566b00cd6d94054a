/** An invalid config of `smallWorld`: replacements of its text, and the first problem that commands report. */
export interface BrokenConfig {
  readonly title: string;
  readonly edits: readonly (readonly [from: string, to: string])[];
  readonly problem: string;
}

const group = (text: string): readonly [string, string] => ['tasks:\n', `  ${text}\ntasks:\n`];
const training = (text: string): readonly [string, string] => ['epochs: 1', `epochs: 1, ${text}`];
const section = (text: string): readonly [string, string] => ['model:', `${text}\nmodel:`];
const toMmoe = ['name: esmm, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] }', 'name: mmoe'] as const;
const source = (split: string): readonly [string, string] => [
  'train: train.csv, valid: valid.csv, test: test.csv',
  `source: train.csv, split: ${split}`,
];
const data = (text: string): readonly [string, string] => ['test: test.csv', `test: test.csv, ${text}`];
const one = (title: string, problem: string, ...edits: BrokenConfig['edits']): BrokenConfig => ({
  title,
  edits,
  problem,
});

/** The config that edits make invalid. */
export const VALID_CONFIG = `seed: 11
runs: runs
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  user: { type: categorical, fields: [101, 121, 122], width: 4 }
  item: { type: categorical, fields: [205, 206], width: 4, encoding: { name: tokens, minCount: 2 } }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } }
training: { epochs: 1, batchSize: 64 }
`;

/** Invalid configs, from typing errors to errors that only the data shows. */
export const brokenConfigs: readonly BrokenConfig[] = [
  one('an unknown section', "modle: unknown key; did you mean 'model'?", section('modle: { name: esmm }')),
  one('a misspelled key', "training.batchSzie: unknown key; did you mean 'batchSize'?", ['batchSize', 'batchSzie']),
  one(
    'a key of another section at the top',
    "epochs: unknown key; did you mean 'training.epochs'?",
    section('epochs: 3'),
  ),
  one(
    'a learning rate beside the epochs',
    'training.learningRate: unknown key; did you mean',
    training('learningRate: 0.1'),
  ),
  one(
    'lr in an optimizer',
    "training.optimizer.dense.lr: unknown key; did you mean 'learningRate'?",
    training('optimizer: { dense: { lr: 0.1 } }'),
  ),
  one('a learning rate in the model', 'model.learningRate: unknown key; did you mean', [
    'name: esmm,',
    'name: esmm, learningRate: 1,',
  ]),
  one(
    'an option of another schedule',
    'training.schedule.restarts: unknown key; name: cosine has it; valid keys are',
    training('schedule: { name: plateau, restarts: 2 }'),
  ),
  one(
    'an option of another encoding',
    'features.item.encoding.buckets: unknown key; name: hash has it; valid keys are',
    ['minCount: 2', 'buckets: 9'],
  ),
  one(
    'an encoding on numbers',
    'features.n.encoding: unknown key; type: bag, categorical, cross, expression or match has',
    group('n: { type: numeric, fields: [D508], encoding: tokens }'),
  ),
  one(
    'an option of an encoding beside it',
    'features.n.minCount: unknown key; did you mean',
    group('n: { type: categorical, fields: [207], minCount: 2 }'),
  ),
  one('another case of a key', "training.BatchSize: unknown key; did you mean 'batchSize'?", [
    'batchSize',
    'BatchSize',
  ]),
  one('a key twice', 'duplicate key "seed"', ['seed: 11', 'seed: 11\nseed: 12']),
  one('bad YAML', 'Flow map in block collection must be sufficiently indented and end with', ['model: {', 'model: {{']),
  one('a tab', 'is indented with a tab, which YAML does not allow; replace each', ['  ctr:', '\tctr:']),
  one('a text for a number', 'training.epochs: expected a number, found "many"', ['epochs: 1', 'epochs: many']),
  one('no epochs', 'training.epochs: expected at least 1, found 0', ['epochs: 1', 'epochs: 0']),
  one('half a row', 'training.batchSize: expected an integer, found 1.5', ['batchSize: 64', 'batchSize: 1.5']),
  one('a negative seed', 'seed: expected at least 0, found -1', ['seed: 11', 'seed: -1']),
  one('a model that is none', 'found "esm"; did you mean \'esmm\'?', ['name: esmm', 'name: esm']),
  one('a type that is none', 'found "categoricl"; did you mean \'categorical\'?', [
    'type: categorical, fields: [101',
    'type: categoricl, fields: [101',
  ]),
  one('a name for a map', 'model: expected a map, found "esmm"; write { name: esmm }', [
    'model: {',
    'model: esmm\nx: {',
  ]),
  one('a list for a map', 'tasks.ctr: expected a map, found ["click"]', ['ctr: { label: click }', 'ctr: [click]']),
  one('no model', 'model: is missing; expected a map', ['model:', '# model:']),
  one('no tasks', 'x: unknown key', ['tasks:\n', 'tasks: {}\nx:\n']),
  one('no fields', 'features.item.fields: expected at least 1 items, found []', ['[205, 206]', '[]']),
  one('a loss that is none', 'found "hinge2"; did you mean \'hinge\'?', ['label: click', 'label: click, loss: hinge2']),
  one('a schedule that is none', 'found "cosin"; did you mean \'cosine\'?', training('schedule: cosin')),
  one('a monitor that is none', 'found "ctr.acu"; did you mean \'ctr.auc\'?', training('monitor: ctr.acu')),
  one('a weighting that is none', 'found "dwaa"; did you mean \'dwa\'?', training('lossWeighting: dwaa')),
  one(
    'an optimizer by rows for dense weights',
    "training.optimizer.dense.name: 'row-wise-adagrad' requires rows of tables,",
    training('optimizer: { dense: { name: row-wise-adagrad } }'),
  ),
  one('a width of nothing', 'features.user.width: expected at least 1, found 0', ['width: 4', 'width: 0']),
  one('a dropout of everything', 'model.ctrTower.dropout: expected less than 1, found 1', [
    'hidden: [8]',
    'hidden: [8], dropout: 1',
  ]),
  one('onBadRow that is none', 'data.onBadRow: expected error, skip, found "ignore"', data('onBadRow: ignore')),
  one('an encoding that is none', 'found "token"; did you mean \'tokens\'?', ['name: tokens', 'name: token']),
  one('a file encoding that is none', 'found "latin2"; did you mean \'latin1\'?', data('encoding: latin2')),
  one(
    'a delimiter of a letter',
    'data.delimiter: expected one to four characters that separate two values',
    data('delimiter: x'),
  ),
  // Names that do not match each other.
  one(
    'a table of another case',
    'features.b.table: expected a field with a table, found "item_id"; did',
    ['[101, 121, 122]', '[item_ID]'],
    group('b: { type: bag, fields: [seen], table: item_id }'),
  ),
  one(
    'a table of no field',
    'features.b.table: expected a field with a table, found "102"; did you',
    group('b: { type: bag, fields: ["109_14"], table: 102 }'),
  ),
  one(
    'the table of a number',
    "features.b.table: 'D508' is a number, which has no table",
    group('n: { type: numeric, fields: [D508] }'),
    group('b: { type: bag, fields: ["109_14"], table: D508 }'),
  ),
  one(
    'another width than that of the table',
    "features.b.width: '109_14' has width 8, but shares the table of",
    group('b: { type: bag, fields: ["109_14"], table: 205, width: 8 }'),
  ),
  one(
    'another encoding than that of the table',
    "features.b.encoding: '109_14' is encoded as hash buckets 9, seed 0, but",
    group('b: { type: bag, fields: ["109_14"], table: 205, width: 4, encoding: { name: hash, buckets: 9 } }'),
  ),
  one('a column twice', "features.user.fields.2: column '101' is already a feature, in group 'user'; remove one", [
    '[101, 121, 122]',
    '[101, 121, 101]',
  ]),
  one('a label as a feature', "features.user.fields.2: column 'click' is a label and would leak the answer", [
    '[101, 121, 122]',
    '[101, 121, click]',
  ]),
  one(
    'a feature with the name of a label',
    "features.b.fields.0: its name 'click' is that of a label column; set another name",
    group("b: { type: expression, fields: [{ name: click, expression: 'x + 1', encoding: numeric }] }"),
  ),
  one('a given task that is misspelled', 'tasks.cvr.given: expected the label of another classification task', [
    'given: click',
    'given: clik',
  ]),
  one('a task that is given itself', 'tasks.cvr.given: expected a column other than the label', [
    'given: click',
    'given: cvr',
  ]),
  one('a funnel without its given', 'tasks: esmm requires a task with given; set it, as in ctr:', [
    ', given: click',
    '',
  ]),
  one(
    'a cross of one column',
    'features.x.fields.0: expected at least 2 items, found ["101"]',
    group('x: { type: cross, fields: [[101]], buckets: 9 }'),
  ),
  one(
    'a cross of a label',
    "features.x.fields.0: column 'click' is a label and would leak the",
    group('x: { type: cross, fields: [[101, click]], buckets: 9 }'),
  ),
  one(
    'buckets out of order',
    'features.n.boundaries.1: expected more than the previous boundary, 1,',
    group('n: { type: bucketized, fields: [D508], boundaries: [1, 1] }'),
  ),
  one('a task named like a space of another', "tasks.cvr_all: 'cvr_all' is also an output of another task;", [
    'ctr:',
    'cvr_all:',
  ]),
  one('a tower of no task', "model.towers.cvt: unknown task 'cvt'; did you mean 'cvr'?", [
    'ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] }',
    'towers: { cvt: { hidden: [4] } }',
  ]),
  one('a condition without a comparison', 'tasks.ctr.label: the column has no comparison; add one of', [
    'label: click',
    'label: { column: click }',
  ]),
  one(
    'a regression with a condition',
    'tasks.ctr.label: a condition gives labels 0 and 1, but the task is a regression;',
    ['label: click', 'type: regression, label: { column: click, above: 0 }'],
  ),
  one(
    'sampling without a root',
    'tasks: esmm requires a task with given; set it, as in ctr:',
    data('negativeSampling: { rate: 0.5 }'),
    [', given: click', ''],
  ),
  one(
    'early stopping without a validation set',
    'training.earlyStopping: requires a validation set; set data.valid',
    [', valid: valid.csv', ''],
    training('earlyStopping: {}'),
  ),
  one('calibration of no task', 'calibration.method: is missing; expected ', section('calibration: { cvt: {} }')),
  one(
    'a wide optimizer without a wide part',
    'training.optimizer.wide: the model has no wide part; set model.wide: true',
    training('optimizer: { wide: { name: sgd } }'),
  ),
  one(
    'split without source',
    'data.split: requires source; set source to the files to split',
    data('split: { by: random, shares: { valid: 0.1 } }'),
  ),
  one(
    'shares above one',
    'data.split.shares: expected fractions with a sum of at most 1 and a part',
    source('{ by: random, shares: { valid: 0.6, test: 0.6 } }'),
  ),
  one(
    'dates out of order',
    'data.split.valid: ends before it begins; swap from and to',
    source('{ by: date, column: day, valid: { from: 2026-11-02, to: 2026-11-01 } }'),
  ),
  // Errors that only the files show.
  one('a feature that no file has', 'column "1222": is used by the config, but is not in the header; did', [
    '[101, 121, 122]',
    '[101, 121, 1222]',
  ]),
  one('a feature of another case', 'column "d508": is used by the config, but is not in the header; did', [
    '[205, 206]',
    '[205, d508]',
  ]),
  one('a label that no file has', 'column "purchases": is used by the config, but is not in the header', [
    'label: purchase',
    'label: purchases',
  ]),
  one('a sample weight that no file has', 'column "weigth": is used by the config, but is not in the header;', [
    'label: purchase',
    'label: purchase, sampleWeight: weigth',
  ]),
  one(
    'a group of metrics that no file has',
    'evaluation.gauc: unknown key',
    section('evaluation: { gauc: { groupBy: user_id } }'),
  ),
  one(
    'a condition on rows of no column',
    'column "cuontry": is used by the config, but is not in the header;',
    data('where: { column: cuontry, equals: DE }'),
  ),
  one('no file for train', 'data.train: no such file; correct the path; paths are relative to', [
    'train: train.csv',
    'train: trian.csv',
  ]),
  one('no file for test', 'data.test: no such file; correct the path; paths are relative to', [
    'test: test.csv',
    'test: tests.csv',
  ]),
  one(
    'a split by no column',
    'column "user": is used by the config, but is not in the header; use',
    source('{ by: key, column: user, shares: { valid: 0.1 } }'),
  ),
  one(
    'a split by a column of no dates',
    'expected a date such as 2026-11-01 or 2026-11-01T18:30',
    source('{ by: date, column: 101, valid: { from: 2026-11-02 } }'),
  ),
  one('a label that is no class', "features.user.fields.0: column '101' is a label and would leak the", [
    'label: click',
    'label: 101',
  ]),
  one(
    'a label that is no class, of a regression',
    "features.user.fields.0: column '101' is a label and would leak the",
    ['label: click', 'label: 101, type: regression'],
    [', given: click', ''],
    toMmoe,
    ['label: purchase', 'label: "102"'],
  ),
  one('ids beyond a size', 'column "121": expected an id below 2, the configured size of field', [
    'width: 4 }\n  item',
    'width: 4, encoding: { sizes: { 121: 2 } } }\n  item',
  ]),
  one(
    'ids that are numbers with decimals',
    'column "D508": expected an integer id in digits, found',
    group('i: { type: categorical, fields: [D508] }'),
  ),
  one(
    'a bag as a date',
    'column "101": expected a date such as 2026-11-30, or a date and time',
    group('d: { type: date, fields: [101] }'),
  ),
  one(
    'where that keeps no row',
    'expected at least one row for train, found none; all are excluded: excluded by',
    data('where: { column: 101, equals: none }'),
  ),
  one(
    'where that keeps no row of valid',
    'expected at least one row for valid, found none; all are excluded: in',
    source('{ by: date, column: 101, valid: { from: 1000000 } }'),
  ),
  one(
    'a violated funnel',
    'expected purchase to be 1 if click is 1; correct the row, or set',
    ['label: click', 'label: purchase'],
    ['label: purchase, given: click', 'label: click, given: purchase'],
  ),
  one(
    'true compared with numbers',
    'column "D508": expected true or false, or 1 or 0 to compare with true, found',
    ['label: click', 'label: { column: D508, equals: true }'],
    ['given: click', 'given: ctr'],
  ),
  one(
    'a misspelled label that is given, of a model that takes any column',
    "is the given of task 'cvr', but is not a task, label or column; did you mean 'click'?",
    toMmoe,
    ['given: click', 'given: clik'],
  ),
  one(
    'a misspelled task that is given, of a model that takes any column',
    "is the given of task 'cvr', but is not a task, label or column; did you mean 'ctr'?",
    toMmoe,
    ['given: click', 'given: ctrr'],
  ),
  one('the name of a link', "name: 'latest' is reserved for the link to the newest run", [
    'seed: 11',
    'seed: 11\nname: latest',
  ]),
  one('a file in the place of runs', 'cannot be written: part of the path is a file, not a directory', [
    'runs: runs',
    'runs: train.csv',
  ]),
  one(
    'a file in the place of runs, and bad rows',
    'cannot be written: part of the path is a file, not a directory',
    ['runs: runs', 'runs: train.csv'],
    ['[205, 206]', '[D508]'],
    ['name: tokens, minCount: 2', 'name: ids'],
  ),
  one('a table of more rows than ids', "field '101': its ids and missing-value token require 2147483649 table rows", [
    '[101, 121, 122]',
    '[101], encoding: { sizes: { 101: 2147483648 } }, fillMissing: token',
  ]),
  one(
    'nothing to start from',
    'no such directory; name a run or a checkpoint, such as runs/latest',
    section('initFrom: { checkpoint: nowhere }'),
  ),
  one(
    'nothing to start from, and bad rows',
    "features.user.fields.0: column '101' is a label and would leak the",
    section('initFrom: { checkpoint: nowhere }'),
    ['label: click', 'label: 101'],
    [', given: click', ''],
    toMmoe,
  ),
  one(
    'columns without a header key',
    'data.columns: applies only to a file without column names; add',
    data('columns: [click]'),
  ),
  one(
    'a file of names that is not there',
    'data.columns: cannot be read (ENOENT); expected a file with one name',
    data('header: false, columns: names.txt'),
  ),
  one(
    'a label of a scaled regression that nobody has',
    'tasks.amount.scaling: the training set has no usable label for the task',
    ['label: purchase, given: click', 'label: { column: purchase, equals: 7 }'],
    [
      'ctr: { label: click }',
      'ctr: { label: click }\n  amount: { label: "508", type: regression, scaling: standard, given: cvr }',
    ],
    toMmoe,
  ),
  one(
    'a precision that the engine has not',
    'training.precision: expected f32, bf16, f16, found "bf17"; did you mean',
    training('precision: bf17'),
  ),
];
