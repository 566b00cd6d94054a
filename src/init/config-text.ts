import type { Paths } from '../data/options.js';
import { bag } from '../features/bag.js';
import { categorical } from '../features/categorical.js';
import { date } from '../features/date.js';
import { auto } from '../features/encodings/auto.js';
import { tokens } from '../features/encodings/tokens.js';
import { numeric } from '../features/numeric.js';
import { vector } from '../features/vector.js';
import type { ProposedTask } from './choose-tasks.js';
import type { ProposedSplit } from './choose-split.js';
import type { ColumnKind, InspectedColumn } from './column-kind.js';

/** Facts to write a config from. */
export interface ConfigFacts {
  /** Path of the JSON Schema, for editors. */
  readonly schema: string;
  /** Paths relative to the config. */
  readonly train: Paths;
  readonly valid: Paths | undefined;
  readonly test: Paths | undefined;
  /** Split of train, if it is the only source. */
  readonly split: ProposedSplit | undefined;
  readonly rows: number;
  readonly isCut: boolean;
  readonly columns: readonly InspectedColumn[];
  readonly tasks: readonly ProposedTask[];
  /** Excluded columns, with the reason. */
  readonly leftOut: ReadonlyMap<string, string>;
  readonly model: string;
}

/** Writes a config that trains, with a comment on each line. */
export function configText(facts: ConfigFacts): string {
  const { schema, rows, isCut, tasks, model } = facts;
  const last = tasks.at(-1)!;
  const monitor = `${last.given === undefined ? '' : 'ct'}${last.name}.auc`;
  // Few rows mean few steps.
  const rate = isCut ? 0.001 : 0.002;
  return [
    `# yaml-language-server: $schema=${schema}`,
    `# Written by mtl init from ${isCut ? 'a sample of ' : ''}${rows} rows. Review it once: the kinds of ` +
      'columns are guesses.',
    '#',
    '#   check    npx mtl check CONFIG    reports every problem, without training',
    '#   train    npx mtl train CONFIG',
    '',
    'seed: 2026                          # initialization, shuffling and dropout: same seed, same result',
    '',
    ...formatData(facts),
    '',
    'features:                           # groups of columns with the same options',
    ...formatFeatures(facts),
    ...[...facts.leftOut].map(([name, reason]) => `  # excluded: ${name}: ${reason}`),
    '',
    'tasks:                              # labels to predict',
    ...tasks.map((task) => formatTask(task, tasks)),
    '',
    `model: { name: ${model} }                # see its options with mtl config show CONFIG; change it with ` +
      '--set model.name=…',
    '',
    'training:',
    `  epochs: 10                        # maximum; training stops earlier if validation no longer improves`,
    `  batchSize: ${String(chooseBatchSize(rows, isCut)).padEnd(4)}                   # larger is faster, ` +
      'with fewer steps per epoch',
    '  optimizer:',
    `    dense: { learningRate: ${rate} }         # dense layers`,
    `    embeddings: { learningRate: ${rate} }    # embedding tables`,
    `  monitor: ${monitor.padEnd(24)} # validation metric that selects the best epoch`,
    '  earlyStopping: { patience: 2 }    # epochs without improvement before training stops',
    '',
  ].join('\n');
}

function chooseBatchSize(rows: number, isCut: boolean): number {
  return isCut ? 1024 : rows < 5000 ? 64 : 256;
}

function formatData({ train, valid, test, split, columns }: ConfigFacts): readonly string[] {
  const lines: string[] = ['data:'];
  if (split === undefined) {
    lines.push(`  train: ${yaml(train)}`);
    if (valid !== undefined)
      lines.push(`  valid: ${yaml(valid)}    # measured after every epoch to select the best one`);
    if (test !== undefined) lines.push(`  test: ${yaml(test)}    # measured once, with the best epoch`);
  } else {
    lines.push(`  source: ${yaml(train)}    # all rows; see split`);
    if (split.by === 'random')
      lines.push(
        '  split: { by: random, shares: { valid: 0.1, test: 0.1 } }    # use { by: key, column: … } to keep ' +
          'the rows of a user together',
      );
    else
      lines.push(
        `  split: { by: date, column: ${yaml(split.column)}, valid: { from: ${split.valid}, to: ` +
          `${split.beforeTest} }, test: { from: ${split.test} } }    # by time: the model predicts later rows`,
      );
  }
  const blank = [...new Set(columns.flatMap(({ blankWords }) => blankWords))];
  if (blank.length > 0) lines.push(`  nullValues: ${yaml(blank)}    # missing values, besides empty ones`);
  if (columns.some(({ column }) => column.values.some((text) => text !== text.trim())))
    lines.push('  trim: true                        # strips spaces around values');
  if (columns.some(({ kind }) => kind.is === 'number' && kind.hasComma))
    lines.push("  decimal: ','                      # decimal comma, as in 12,50");
  lines.push(
    '  onBadRow: skip                    # lists invalid rows in rejects.csv of the run; error stops at the first',
    '  maxRejects: 1000                  # maximum number of invalid rows',
  );
  return lines;
}

/** A feature group and the columns it accepts. */
interface Group {
  readonly name: string;
  readonly comment: string;
  has(kind: ColumnKind): boolean;
  /** Options of the group, besides its fields. */
  options(column: InspectedColumn): string;
}

const GROUPS: readonly Group[] = [
  {
    name: 'ids',
    comment: 'one id per row, with an embedding table each; auto detects integers and strings',
    has: (kind) => (kind.is === 'id' && !kind.isRare) || kind.is === 'truth' || kind.is === 'day',
    options: () => `type: ${categorical.name}, width: 16, encoding: ${auto.name}`,
  },
  {
    name: 'rare',
    comment: 'many distinct ids: those with a single training row become out-of-vocabulary',
    has: (kind) => kind.is === 'id' && kind.isRare,
    options: () => `type: ${categorical.name}, width: 16, encoding: { name: ${tokens.name}, minCount: 2 }`,
  },
  {
    name: 'lists',
    comment: 'several ids per row; averages their embeddings',
    has: (kind) => kind.is === 'list',
    options: ({ kind }) =>
      `type: ${bag.name}, width: 16, encoding: { name: ${tokens.name}, minCount: 2 }${formatSeparators(kind)}`,
  },
  {
    name: 'times',
    comment: 'hour and weekday of a time',
    has: (kind) => kind.is === 'time',
    options: ({ kind }) =>
      kind.is === 'time'
        ? `type: ${date.name}, width: ` +
          `4${kind.hasHours ? '' : ', parts: [weekday]'}${kind.format === 'iso' ? '' : `, format: ${kind.format}`}, ` +
          'fillMissing: unknown'
        : '',
  },
  {
    name: 'numbers',
    comment: 'numbers, standardized; missing values become the mean',
    has: (kind) => kind.is === 'number' && !kind.isSkewed,
    options: () => `type: ${numeric.name}, scaling: standard, fillMissing: mean`,
  },
  {
    name: 'skewed',
    comment: 'skewed numbers: standardized logarithm',
    has: (kind) => kind.is === 'number' && kind.isSkewed,
    options: () => `type: ${numeric.name}, scaling: [log1p, standard], fillMissing: mean`,
  },
  {
    name: 'vectors',
    comment: 'vectors of numbers, as in image embeddings',
    has: (kind) => kind.is === 'numbers',
    options: ({ kind }) =>
      `type: ${vector.name}, scaling: standard, fillMissing: ` +
      `mean${kind.is === 'numbers' && kind.separator !== undefined ? `, separator: ${yaml(kind.separator)}` : ''}`,
  },
];

function formatFeatures({ columns, tasks, leftOut }: ConfigFacts): readonly string[] {
  const features = columns.filter(
    ({ column }) => !leftOut.has(column.name) && !tasks.some((task) => task.column === column.name),
  );
  return GROUPS.flatMap((group) => {
    // Columns with the same options form one group.
    const byOptions = new Map<string, InspectedColumn[]>();
    for (const looked of features.filter(({ kind }) => group.has(kind)))
      byOptions.set(group.options(looked), [...(byOptions.get(group.options(looked)) ?? []), looked]);
    return [...byOptions].flatMap(([options, members], i) => [
      `  ${group.name}${i === 0 ? '' : i + 1}:    # ${group.comment}`,
      ...options.split(/, (?=[a-zA-Z]+: )(?![^{[]*[}\]])/).map((option) => `    ${option}`),
      '    fields:',
      ...members.map((looked) => `      - ${yaml(looked.column.name).padEnd(20)} # ${describeColumn(looked)}`),
    ]);
  });
}

function formatSeparators(kind: ColumnKind): string {
  if (kind.is !== 'list' || kind.items === undefined) return '';
  const weight = kind.weight === undefined || kind.weight === ':' ? '' : `, weight: ${yaml(kind.weight)}`;
  return kind.items === '|' && weight === '' ? '' : `, separators: { items: ${yaml(kind.items)}${weight} }`;
}

function describeColumn({ different, blanks, kind, column }: InspectedColumn): string {
  const values = `${different} distinct`;
  const missing = blanks > 0 ? `, ${(100 * blanks).toFixed(1)}% missing` : '';
  const example = column.values.find((text) => text.trim() !== '') ?? '';
  const longest = kind.is === 'list' ? `, up to ${kind.length} per row` : '';
  return (
    `${values}${longest}${missing}, as in ` + JSON.stringify(example.length > 24 ? `${example.slice(0, 24)}…` : example)
  );
}

function formatTask(
  { name, column, yes, given, violations, hasBlanks, rate }: ProposedTask,
  tasks: readonly ProposedTask[],
): string {
  const parent = tasks.find((task) => task.name === given);
  const label = yes === undefined ? yaml(column) : `{ column: ${yaml(column)}, equals: ${JSON.stringify(yes)} }`;
  const chain =
    parent === undefined
      ? ''
      : `, given: ${violations > 0 ? `{ label: ${parent.name}, violations: skip }` : parent.name}`;
  const note =
    parent === undefined
      ? ''
      : `, given ${parent.name}` +
        (violations > 0 ? `; ${(100 * violations).toFixed(1)}% of them contradict it and are skipped` : '');
  return (
    `  ${name}: { label: ${label}${chain}${hasBlanks ? ', onMissing: mask' : ''} }    # positive in ` +
    `${(100 * rate).toFixed(2)}% of all rows${note}${hasBlanks ? '; missing labels are masked' : ''}`
  );
}

/** Formats a value as YAML on one line, quoted if necessary. */
function yaml(value: string | readonly string[]): string {
  if (typeof value !== 'string') return `[${value.map(yaml).join(', ')}]`;
  return /^[A-Za-z_./][\w./*-]*$/.test(value) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value)
    ? value
    : JSON.stringify(value);
}
