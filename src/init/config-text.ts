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
import type { ColumnKind, LookedAt } from './column-kind.js';

/** What a config is written from. */
export interface ConfigFacts {
  /** Where an editor finds the schema. */
  readonly schema: string;
  /** Paths as they stand in the config, a list where there are several. */
  readonly train: Paths;
  readonly valid: Paths | undefined;
  readonly test: Paths | undefined;
  /** Where train is divided. */
  readonly split: ProposedSplit | undefined;
  readonly rows: number;
  readonly isCut: boolean;
  readonly columns: readonly LookedAt[];
  readonly tasks: readonly ProposedTask[];
  /** Columns that are left out, with the reason. */
  readonly leftOut: ReadonlyMap<string, string>;
  readonly model: string;
}

/** A config that trains, with a comment on each of its lines. */
export function configText(facts: ConfigFacts): string {
  const { schema, rows, isCut, tasks, model } = facts;
  const last = tasks.at(-1)!;
  const monitor = `${last.given === undefined ? '' : 'ct'}${last.name}.auc`;
  // Few rows are few steps.
  const rate = isCut ? 0.001 : 0.002;
  return [
    `# yaml-language-server: $schema=${schema}`,
    `# Made by mtl init, from ${isCut ? 'a sample of ' : ''}${rows} rows. Read it once: what is a guess says so.`,
    '#',
    '#   check    npx mtl check CONFIG    all that is wrong with it, without training',
    '#   train    npx mtl train CONFIG',
    '',
    'seed: 2026                          # decides first weights, order of rows and dropout: same seed, same numbers',
    '',
    ...dataLines(facts),
    '',
    'features:                           # groups of columns; every field gets what its group says',
    ...featureLines(facts),
    ...[...facts.leftOut].map(([name, why]) => `  # left out: ${name}: ${why}`),
    '',
    'tasks:                              # what is predicted',
    ...tasks.map((task) => taskLine(task, tasks)),
    '',
    `model: { name: ${model} }                # mtl config show CONFIG prints its options; another: --set model.name=…`,
    '',
    'training:',
    `  epochs: 10                        # at the most: training stops before, when valid no longer improves`,
    `  batchSize: ${String(batchSizeFor(rows, isCut)).padEnd(4)}                   # larger is faster and learns less from a row`,
    '  optimizer:',
    `    dense: { learningRate: ${rate} }         # of the layers`,
    `    embeddings: { learningRate: ${rate} }    # of the tables`,
    `  monitor: ${monitor.padEnd(24)} # what chooses the best epoch, on valid`,
    '  earlyStopping: { patience: 2 }    # so many epochs without progress end the run',
    '',
  ].join('\n');
}

function batchSizeFor(rows: number, isCut: boolean): number {
  return isCut ? 1024 : rows < 5000 ? 64 : 256;
}

function dataLines({ train, valid, test, split, columns }: ConfigFacts): readonly string[] {
  const lines: string[] = ['data:'];
  if (split === undefined) {
    lines.push(`  train: ${yaml(train)}`);
    if (valid !== undefined)
      lines.push(`  valid: ${yaml(valid)}    # measured after every epoch, chooses the best one`);
    if (test !== undefined) lines.push(`  test: ${yaml(test)}    # measured once, with the weights of the best epoch`);
  } else {
    lines.push(`  source: ${yaml(train)}    # all rows; split says which are for what`);
    if (split.by === 'random')
      lines.push(
        '  split: { by: random, shares: { valid: 0.1, test: 0.1 } }    # by chance; { by: key, column: … } keeps the rows of a user together',
      );
    else
      lines.push(
        `  split: { by: date, column: ${yaml(split.column)}, valid: { from: ${split.valid}, to: ${split.beforeTest} }, test: { from: ${split.test} } }    # by time: what comes later is predicted from what was before`,
      );
  }
  const blank = [...new Set(columns.flatMap(({ blankWords }) => blankWords))];
  if (blank.length > 0) lines.push(`  nullValues: ${yaml(blank)}    # cells that hold nothing, beside empty ones`);
  if (columns.some(({ column }) => column.values.some((text) => text !== text.trim())))
    lines.push('  trim: true                        # spaces around cells are left out');
  if (columns.some(({ kind }) => kind.is === 'number' && kind.hasComma))
    lines.push("  decimal: ','                      # numbers are written as 12,50");
  lines.push(
    '  onBadRow: skip                    # bad rows are listed in rejects.csv of the run; error stops at the first',
    '  maxRejects: 1000                  # more bad rows than this are an error',
  );
  return lines;
}

/** A group of the config, and which columns it takes. */
interface Group {
  readonly name: string;
  readonly comment: string;
  has(kind: ColumnKind): boolean;
  /** Beside its fields. */
  options(of: LookedAt): string;
}

const GROUPS: readonly Group[] = [
  {
    name: 'ids',
    comment: 'one id a row, each with a table of embeddings; auto looks whether cells count from 1 on or are texts',
    has: (kind) => (kind.is === 'id' && !kind.isRare) || kind.is === 'truth' || kind.is === 'day',
    options: () => `type: ${categorical.name}, width: 16, encoding: ${auto.name}`,
  },
  {
    name: 'rare',
    comment: 'ids of which there are many: those that train has once only are one, the unknown',
    has: (kind) => kind.is === 'id' && kind.isRare,
    options: () => `type: ${categorical.name}, width: 16, encoding: { name: ${tokens.name}, minCount: 2 }`,
  },
  {
    name: 'lists',
    comment: 'several ids a row, the mean of their embeddings',
    has: (kind) => kind.is === 'list',
    options: ({ kind }) =>
      `type: ${bag.name}, width: 16, encoding: { name: ${tokens.name}, minCount: 2 }${separatorsOf(kind)}`,
  },
  {
    name: 'times',
    comment: 'the hour and the weekday of a time',
    has: (kind) => kind.is === 'time',
    options: ({ kind }) =>
      kind.is === 'time'
        ? `type: ${date.name}, width: 4${kind.hasHours ? '' : ', parts: [weekday]'}${kind.format === 'iso' ? '' : `, format: ${kind.format}`}, fillMissing: unknown`
        : '',
  },
  {
    name: 'numbers',
    comment: 'numbers with mean 0 and deviation 1; an empty cell is the mean',
    has: (kind) => kind.is === 'number' && !kind.isSkewed,
    options: () => `type: ${numeric.name}, scaling: standard, fillMissing: mean`,
  },
  {
    name: 'skewed',
    comment: 'numbers of which a few are much larger: their logarithm, scaled',
    has: (kind) => kind.is === 'number' && kind.isSkewed,
    options: () => `type: ${numeric.name}, scaling: [log1p, standard], fillMissing: mean`,
  },
  {
    name: 'vectors',
    comment: 'lists of numbers, as the embedding of an image',
    has: (kind) => kind.is === 'numbers',
    options: ({ kind }) =>
      `type: ${vector.name}, scaling: standard, fillMissing: mean${kind.is === 'numbers' && kind.separator !== undefined ? `, separator: ${yaml(kind.separator)}` : ''}`,
  },
];

function featureLines({ columns, tasks, leftOut }: ConfigFacts): readonly string[] {
  const features = columns.filter(
    ({ column }) => !leftOut.has(column.name) && !tasks.some((task) => task.column === column.name),
  );
  return GROUPS.flatMap((group) => {
    // Columns that say the same are one group.
    const byOptions = new Map<string, LookedAt[]>();
    for (const looked of features.filter(({ kind }) => group.has(kind)))
      byOptions.set(group.options(looked), [...(byOptions.get(group.options(looked)) ?? []), looked]);
    return [...byOptions].flatMap(([options, members], i) => [
      `  ${group.name}${i === 0 ? '' : i + 1}:    # ${group.comment}`,
      ...options.split(/, (?=[a-z]+: )(?![^{[]*[}\]])/).map((option) => `    ${option}`),
      '    fields:',
      ...members.map((looked) => `      - ${yaml(looked.column.name).padEnd(20)} # ${noteOn(looked)}`),
    ]);
  });
}

function separatorsOf(kind: ColumnKind): string {
  if (kind.is !== 'list' || kind.items === undefined) return '';
  const weight = kind.weight === undefined || kind.weight === ':' ? '' : `, weight: ${yaml(kind.weight)}`;
  return kind.items === '|' && weight === '' ? '' : `, separators: { items: ${yaml(kind.items)}${weight} }`;
}

function noteOn({ different, blanks, kind, column }: LookedAt): string {
  const values = `${different} different`;
  const empty = blanks > 0 ? `, ${(100 * blanks).toFixed(1)}% empty` : '';
  const example = column.values.find((text) => text.trim() !== '') ?? '';
  const longest = kind.is === 'list' ? `, up to ${kind.length} a row` : '';
  return `${values}${longest}${empty}, as ${JSON.stringify(example.length > 24 ? `${example.slice(0, 24)}…` : example)}`;
}

function taskLine(
  { name, column, yes, given, violations, hasBlanks, rate }: ProposedTask,
  tasks: readonly ProposedTask[],
): string {
  const above = tasks.find((task) => task.name === given);
  const label = yes === undefined ? yaml(column) : `{ column: ${yaml(column)}, equals: ${JSON.stringify(yes)} }`;
  const chain =
    above === undefined ? '' : `, given: ${violations > 0 ? `{ label: ${above.name}, violations: skip }` : above.name}`;
  const why =
    above === undefined
      ? ''
      : `, only where ${above.name} is; ${violations > 0 ? `${(100 * violations).toFixed(1)}% of them contradict that and are skipped` : 'trained and measured there'}`;
  return `  ${name}: { label: ${label}${chain}${hasBlanks ? ', onMissing: mask' : ''} }    # yes in ${(100 * rate).toFixed(2)}% of all rows${why}${hasBlanks ? '; blank: not known yet' : ''}`;
}

/** A value of YAML on one line, in quotes where it would be read as something else. */
function yaml(value: string | readonly string[]): string {
  if (typeof value !== 'string') return `[${value.map(yaml).join(', ')}]`;
  return /^[A-Za-z_./][\w./*-]*$/.test(value) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value)
    ? value
    : JSON.stringify(value);
}
