import type { Paths } from '../data/options.js';
import { count } from '../text/number-text.js';
import type { ProposedSplit } from './choose-split.js';
import type { ProposedTask } from './choose-tasks.js';
import type { InspectedColumn } from './column-kind.js';
import type { ColumnPair } from './find-crosses.js';
import { formatFeatures } from './features-text.js';
import { formatCalibration, formatModel, formatTraining } from './training-text.js';
import { yaml } from './yaml-text.js';
import { MTL } from '../system/command-name.js';

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
  /** Pairs of columns to combine. */
  readonly crosses: readonly ColumnPair[];
  /** Columns of numbers whose effect is not a straight line. */
  readonly curves: ReadonlySet<InspectedColumn>;
  readonly model: string;
}

/** Writes a config that trains, with a comment on each line. */
export function configText(facts: ConfigFacts): string {
  const { schema, rows, isCut, columns, tasks, leftOut, crosses, curves, model } = facts;
  const isLabel = (name: string): boolean => tasks.some(({ column }) => column === name);
  const features = columns.filter(({ column }) => !leftOut.has(column.name) && !isLabel(column.name));
  return [
    `# yaml-language-server: $schema=${schema}`,
    `# Written by mtl init from ${isCut ? 'a sample of ' : ''}${count(rows)} rows. Review it once: the kinds of ` +
      'columns are guesses.',
    '#',
    `#   check    ${MTL} check CONFIG    reports every problem, without training`,
    `#   train    ${MTL} train CONFIG`,
    '',
    'seed: 2026                          # initialization, shuffling and dropout: same seed, same result',
    '',
    ...formatData(facts),
    '',
    'features:                           # groups of columns with the same options',
    ...formatFeatures(features, { rows, curves, crosses }),
    ...[...leftOut].map(([name, reason]) => `  # excluded: ${name}: ${reason}`),
    '',
    'tasks:                              # labels to predict',
    ...tasks.map((task) => formatTask(task, tasks)),
    '',
    ...formatModel(model, features),
    '',
    ...formatTraining({ tasks, features, rows, isCut }),
    '',
    formatCalibration(),
    '',
  ].join('\n');
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

function formatTask(
  { name, column, yes, isCount, given, violations, onMissing, rate }: ProposedTask,
  tasks: readonly ProposedTask[],
): string {
  const parent = tasks.find((task) => task.name === given);
  const condition = isCount ? 'above: 0' : yes === undefined ? undefined : `equals: ${JSON.stringify(yes)}`;
  const label = condition === undefined ? yaml(column) : `{ column: ${yaml(column)}, ${condition} }`;
  const chain =
    parent === undefined
      ? ''
      : `, given: ${violations > 0 ? `{ label: ${parent.name}, violations: skip }` : parent.name}`;
  const notes = [
    `positive in ${(100 * rate).toFixed(2)}% of all rows`,
    ...(parent === undefined ? [] : [`only if ${parent.name} is positive`]),
    ...(violations > 0 ? [`${(100 * violations).toFixed(1)}% of them contradict it and are skipped`] : []),
    ...(onMissing === 'mask' ? ['missing labels are masked'] : []),
    ...(onMissing === 'negative' ? ['missing labels are negative'] : []),
  ];
  const missing = onMissing === undefined ? '' : `, onMissing: ${onMissing}`;
  return `  ${name}: { label: ${label}${chain}${missing} }    # ${notes.join('; ')}`;
}
