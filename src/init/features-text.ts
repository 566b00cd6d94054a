import { bag } from '../features/bag.js';
import { categorical } from '../features/categorical.js';
import { cross } from '../features/cross.js';
import { date } from '../features/date.js';
import { tokens } from '../features/encodings/tokens.js';
import { match } from '../features/match.js';
import { numeric } from '../features/numeric.js';
import { piecewiseLinear } from '../features/piecewise-linear.js';
import { sequence } from '../features/sequence.js';
import { vector } from '../features/vector.js';
import { targetAttention } from '../sequences/target-attention.js';
import { isBlank, type ColumnKind, type InspectedColumn } from './column-kind.js';
import type { ColumnPair } from './find-crosses.js';
import { findSequences, type AlignedLists, type ItemKind } from './find-sequences.js';
import { findSharedTables } from './shared-tables.js';
import { yaml } from './yaml-text.js';

/** Width of embeddings, and of embeddings of few rows, which a wider embedding would fit too closely. */
const [WIDTH, SMALL_WIDTH] = [16, 8];
/** Maximum number of rows with small embeddings. */
const FEW_ROWS = 20_000;
/** Maximum number of values of a number that each get a knot. */
const MAX_KNOTS = 256;
/** Minimum mean number of rows per knot, if each value gets one. */
const MIN_ROWS_PER_KNOT = 20;
/** Minimum number of rows of a combination with an embedding of its own. */
const MIN_CROSS_ROWS = 5;
/** Maximum items of a sequence, and width of the embeddings of ages. */
const [KEPT_ITEMS, AGE_WIDTH] = [50, 4];
/** Maximum characters of a line of fields. */
const MAX_LINE = 100;

/** Facts that decide the options of a column. */
interface Context {
  readonly rows: number;
  /** Columns of numbers whose effect is not a straight line. */
  readonly curves: ReadonlySet<InspectedColumn>;
  /** Pairs of columns to combine. */
  readonly crosses: readonly ColumnPair[];
  readonly tables: ReadonlyMap<string, string>;
  readonly sequences: readonly AlignedLists[];
  readonly width: number;
}

/** A feature group and the columns it accepts. */
interface Group {
  readonly name: string;
  readonly comment: string;
  /** Whether its fields are listed without comments, since another group describes them. */
  readonly isShort?: boolean;
  has(column: InspectedColumn, context: Context): boolean;
  /** Options of the group, besides its fields. */
  options(column: InspectedColumn, context: Context): readonly string[];
}

const ENCODING = `encoding: { name: ${tokens.name}, minCount: 2 }`;

const GROUPS: readonly Group[] = [
  {
    name: 'ids',
    comment: 'one id per row, with an embedding table each; an id with a single training row is out-of-vocabulary',
    has: ({ kind }) => kind.is === 'id' || kind.is === 'truth' || kind.is === 'day',
    options: (_, { width }) => [`type: ${categorical.name}`, `width: ${width}`, ENCODING],
  },
  {
    name: 'lists',
    comment: 'several ids per row; averages their embeddings',
    has: (column, { sequences }) =>
      column.kind.is === 'list' && !sequences.some(({ lists }) => lists.some((each) => each.column === column)),
    options({ column, kind }, { tables, width }) {
      const table = tables.get(column.name);
      const encoding =
        table === undefined
          ? [`width: ${width}`, ENCODING]
          : [`table: ${yaml(table)}    # has the same values, so equal ids have equal embeddings`];
      return [`type: ${bag.name}`, ...encoding, ...formatSeparators(kind)];
    },
  },
  {
    name: 'times',
    comment: 'parts of a time',
    has: ({ kind }) => kind.is === 'time',
    options: ({ kind }, { width }) => [
      `type: ${date.name}`,
      `width: ${width}`,
      ...(kind.is === 'time' && !kind.hasHours ? ['parts: [weekday]'] : []),
      ...(kind.is === 'time' && kind.format !== 'iso' ? [`format: ${kind.format}`] : []),
      'fillMissing: unknown',
    ],
  },
  {
    name: 'numbers',
    comment: 'numbers, standardized; missing values become the mean',
    has: ({ kind }) => kind.is === 'number' && !kind.isSkewed,
    options: () => [`type: ${numeric.name}`, 'scaling: standard', 'fillMissing: mean'],
  },
  {
    name: 'skewed',
    comment: 'skewed numbers: standardized logarithm',
    has: ({ kind }) => kind.is === 'number' && kind.isSkewed,
    options: () => [`type: ${numeric.name}`, 'scaling: [log1p, standard]', 'fillMissing: mean'],
  },
  {
    name: 'curves',
    comment: 'numbers whose effect is not a straight line, as curves between quantiles',
    isShort: true,
    has: (column, { curves }) => curves.has(column),
    options: (column, { rows, width }) => [
      `type: ${piecewiseLinear.name}`,
      `width: ${width}`,
      `bins: ${chooseBins(column, rows)}`,
    ],
  },
  {
    name: 'vectors',
    comment: 'vectors of numbers, as in image embeddings',
    has: ({ kind }) => kind.is === 'numbers',
    options: ({ kind }) => [
      `type: ${vector.name}`,
      'scaling: standard',
      'fillMissing: mean',
      ...(kind.is === 'numbers' && kind.separator !== undefined ? [`separator: ${yaml(kind.separator)}`] : []),
    ],
  },
];

/** Formats the feature groups: columns with the same options form one group. */
export function formatFeatures(
  features: readonly InspectedColumn[],
  facts: Omit<Context, 'tables' | 'sequences' | 'width'>,
): readonly string[] {
  const tables = findSharedTables(features);
  const sequences = findSequences(features, tables);
  const context: Context = { ...facts, tables, sequences, width: chooseWidth(facts.rows) };
  const groups = GROUPS.flatMap((group) => {
    const byOptions = new Map<string, InspectedColumn[]>();
    for (const column of features.filter((each) => group.has(each, context))) {
      const options = group.options(column, context).map((option) => `    ${option}`);
      const key = options.join('\n');
      byOptions.set(key, [...(byOptions.get(key) ?? []), column]);
    }
    return [...byOptions].flatMap(([options, members], i) => [
      `  ${group.name}${i === 0 ? '' : i + 1}:    # ${group.comment}`,
      options,
      ...(group.isShort === true ? formatShort(members) : formatFields(members)),
    ]);
  });
  return [...groups, ...formatSequences(context), ...formatMatches(features, context), ...formatCrosses(context)];
}

function chooseWidth(rows: number): number {
  return rows <= FEW_ROWS ? SMALL_WIDTH : WIDTH;
}

/** Formats lists of which one has the values of an id: the candidate is compared with each item. */
function formatSequences({ sequences, width }: Context): readonly string[] {
  return sequences.flatMap(({ lists, separator, isNewestFirst }, i) => [
    `  histories${i === 0 ? '' : i + 1}:    # items that are aligned, each compared with the row's own id`,
    `    type: ${sequence.name}`,
    '    fields:',
    ...lists.map(
      ({ column, items }) =>
        `      - { name: ${yaml(column.column.name)}, ${formatItems(items, width)} }    # ${describeColumn(column)}`,
    ),
    isNewestFirst
      ? '    order: { newest: first }'
      : '    order: { newest: last }    # first, if the newest item is the first one',
    `    keep: { last: ${KEPT_ITEMS} }`,
    ...(separator === undefined || separator === '|' ? [] : [`    separators: { items: ${yaml(separator)} }`]),
    `    encoder: ${targetAttention.name}`,
  ]);
}

function formatItems(items: ItemKind, width: number): string {
  switch (items.is) {
    case 'id':
      return items.target === undefined ? `width: ${width}, ${ENCODING}` : `target: ${yaml(items.target)}`;
    case 'number':
      return `scaling: ${items.areNegative ? 'standard' : '[log1p, standard]'}`;
    case 'time':
      return `as: age, until: ${yaml(items.until)}, buckets: log, width: ${AGE_WIDTH}`;
  }
}

/** Compares each id with the lists that have its values: with embeddings alone, a match takes much data to learn. */
function formatMatches(features: readonly InspectedColumn[], { tables, width }: Context): readonly string[] {
  const pairsByOptions = new Map<string, string[]>();
  for (const { column, kind } of features) {
    const candidate = tables.get(column.name);
    if (!features.some((each) => each.column.name === candidate && each.kind.is === 'id')) continue;
    const options = formatSeparators(kind).map((option) => `    ${option}\n`);
    const pair = `      - { candidate: ${yaml(candidate!)}, history: ${yaml(column.name)} }`;
    pairsByOptions.set(options.join(''), [...(pairsByOptions.get(options.join('')) ?? []), pair]);
  }
  return [...pairsByOptions].map(
    ([options, pairs], i) =>
      `  matches${i === 0 ? '' : i + 1}:    # occurrences of the id in the list: count, share and recency\n` +
      `    type: ${match.name}    # newest: first, if the newest item is the first one\n` +
      `    encoding: { name: ${piecewiseLinear.name}, width: ${width} }\n${options}    fields:\n` +
      pairs.join('\n'),
  );
}

/** Formats pairs of columns as a feature group. */
function formatCrosses({ crosses, width }: Context): readonly string[] {
  if (crosses.length === 0) return [];
  return [
    '  crosses:    # combinations that predict a label better than both columns alone, as mtl crosses finds them',
    `    type: ${cross.name}`,
    `    width: ${width}`,
    `    encoding: { name: ${tokens.name}, minCount: ${MIN_CROSS_ROWS} }`,
    `    fields: [${crosses.map((pair) => `[${pair.map(yaml).join(', ')}]`).join(', ')}]`,
  ];
}

function formatFields(members: readonly InspectedColumn[]): readonly string[] {
  return [
    '    fields:',
    ...members.map((column) => `      - ${yaml(column.column.name).padEnd(20)} # ${describeColumn(column)}`),
  ];
}

function formatShort(members: readonly InspectedColumn[]): readonly string[] {
  const lines = [''];
  for (const [i, { column }] of members.entries()) {
    const text = `${yaml(column.name)}${i === members.length - 1 ? '' : ', '}`;
    const line = lines.pop()!;
    lines.push(...(line.length + text.length > MAX_LINE ? [line, text] : [line + text]));
  }
  return lines.length === 1
    ? [`    fields: [${lines[0]}]`]
    : ['    fields: [', ...lines.map((line) => `      ${line.trimEnd()}`), '    ]'];
}

/** Chooses a knot per value for few values; otherwise bins by rows, since more bins fit noise. */
function chooseBins({ different }: InspectedColumn, rows: number): number {
  const byRows = Math.max(8, Math.min(64, 2 ** Math.round(Math.log2(Math.sqrt(rows) / 10))));
  if (different > MAX_KNOTS || rows < MIN_ROWS_PER_KNOT * different) return byRows;
  return Math.max(byRows, 2 ** Math.ceil(Math.log2(different)));
}

function formatSeparators(kind: ColumnKind): readonly string[] {
  if (kind.is !== 'list' || kind.items === undefined) return [];
  const weight = kind.weight === undefined || kind.weight === ':' ? '' : `, weight: ${yaml(kind.weight)}`;
  return kind.items === '|' && weight === '' ? [] : [`separators: { items: ${yaml(kind.items)}${weight} }`];
}

function describeColumn(inspected: InspectedColumn): string {
  const { different, blanks, kind, column } = inspected;
  const values = `${different} distinct`;
  const missing = blanks > 0 ? `, ${(100 * blanks).toFixed(1)}% missing` : '';
  const example = column.values.find((text) => text.trim() !== '[]' && !isBlank(inspected, text)) ?? '';
  const longest = kind.is === 'list' ? `, up to ${kind.length} per row` : '';
  return (
    `${values}${longest}${missing}, as in ` + JSON.stringify(example.length > 24 ? `${example.slice(0, 24)}…` : example)
  );
}
