import type { Condition } from '../../src/core/conditions.js';
import type { Task } from '../../src/core/tasks.js';
import { randomStream } from '../../src/core/random.js';
import { createTable, type Format, type FuzzFile } from './fuzz-files.js';
import { COLUMNS } from './fuzz-rows.js';
import { EXPRESSIONS } from './oracle.js';

// Random configs with data files for the fuzz test: each case follows from its seed.

/** Random choices. */
export interface Chance {
  /** Returns true with a probability. */
  (probability: number): boolean;
  below(n: number): number;
  pick<T>(list: readonly T[]): T;
}

/** An item of a list: its text, which is a JSON list if it has several values, and its weight. */
export type Item = readonly [text: string, weight: number];

/** A value: its text with a decimal point, and how it is written if that differs; the items of a list or a vector. */
export interface Cell {
  readonly text: string;
  readonly raw?: string;
  readonly items?: readonly Item[];
  /** Whether it is no value of its column's type. */
  readonly isBad?: boolean;
}
export type Row = Readonly<Record<string, Cell>>;
/** A row of a file; one without cells cannot be parsed. */
export interface TableRow {
  readonly place: string;
  readonly line: number;
  readonly cells: Row | undefined;
}
/** A file, in the order of its source, with the columns of its directories. */
export interface TableFile {
  readonly rows: readonly TableRow[];
  readonly constants: Row;
}
/** What is read: the sections of a config, and the files. */
export interface FuzzTables {
  readonly tasks: readonly Task[];
  readonly keys: readonly string[];
  readonly data: DataOptions;
  readonly groups: readonly (GroupOptions | SequenceGroup)[];
  readonly train: readonly TableFile[];
  readonly valid: readonly TableFile[];
}

/** Cleaning of values. */
export interface CellOptions {
  readonly nullValues?: readonly (string | number)[] | undefined;
  readonly trim?: boolean | undefined;
}
interface EncodingOptions extends Omit<FieldOptions, 'encoding'> {
  readonly name: string;
  readonly minCount?: number;
  readonly sizes?: Readonly<Record<string, number>>;
}
/** Options of a field or group, as in a config. */
export interface FieldOptions extends CellOptions {
  readonly encoding?: string | EncodingOptions | undefined;
  readonly table?: string;
  readonly fillMissing?: string | number | undefined;
  readonly scaling?: string | readonly string[];
  readonly indicator?: boolean;
  readonly boundaries?: readonly number[];
  readonly quantiles?: number;
  readonly bins?: number;
  readonly parts?: readonly string[];
  readonly format?: string;
  readonly timeZone?: string;
  readonly pooling?: string;
  readonly maxItems?: number;
  readonly separators?: { readonly items: string; readonly weight: string; readonly values?: string };
  readonly length?: number;
  readonly buckets?: number | undefined;
  readonly seed?: number | undefined;
  readonly outputs?: readonly ('present' | 'count' | 'weight' | 'share' | 'recency')[];
  readonly newest?: 'first' | 'last';
}
/** A column; several of a cross, or a pair that is compared; an expression. */
interface FieldEntry extends CellOptions {
  readonly name: string;
  readonly fillMissing?: string;
  readonly columns?: readonly string[];
  readonly candidate?: string;
  readonly history?: string;
  readonly expression?: string;
}
/** A feature group, as in a config, but each field is an object. */
export interface GroupOptions extends FieldOptions {
  readonly type:
    | 'categorical'
    | 'bag'
    | 'numeric'
    | 'bucketized'
    | 'piecewise-linear'
    | 'date'
    | 'vector'
    | 'cross'
    | 'match'
    | 'expression';
  readonly fields: readonly FieldEntry[];
}
export interface SequenceEntry extends Pick<FieldOptions, 'scaling' | 'encoding' | 'pooling'> {
  readonly name: string;
  readonly target?: string;
  readonly as?: 'age';
  readonly until?: string;
  readonly buckets?: 'log';
}
export interface SequenceGroup extends CellOptions, Pick<FieldOptions, 'format' | 'separators'> {
  readonly type: 'sequence';
  readonly name: string;
  readonly fields: readonly SequenceEntry[];
  readonly aligned?: boolean;
  readonly order?: { readonly newest: 'first' | 'last' } | { readonly by: string };
  readonly keep?: { readonly last: number; readonly matching?: string } | { readonly heaviest: number };
}

export type Part = 'train' | 'valid' | 'test';
type Range = { readonly from?: number | string; readonly to?: number | string };
/** The `data` section of a config, without its files. */
export interface DataOptions extends CellOptions {
  readonly onBadRow?: 'skip';
  readonly where?: Condition;
  readonly negativeSampling?: { readonly rate: number; readonly seed?: number };
  readonly split?: {
    readonly by: 'key' | 'random' | 'date';
    readonly column?: string;
    readonly seed?: number;
    readonly shares?: { readonly [P in Part]?: number };
  } & { readonly [P in Part]?: Range };
}

/** A config with its files. */
export interface FuzzCase {
  readonly format: Format;
  readonly data: DataOptions & Readonly<Record<string, unknown>>;
  readonly groups: FuzzTables['groups'];
  readonly tasks: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly keys: readonly string[];
  readonly train: readonly FuzzFile[];
  readonly valid: readonly FuzzFile[];
  /** A file that is added to the training set later. */
  readonly later: FuzzFile | undefined;
}

type Choices = Readonly<Record<string, readonly unknown[]>>;

/** Creates the random choices of a seed. */
export function createChance(seed: number): Chance {
  const random = randomStream(seed, 'fuzz');
  return Object.assign((probability: number) => random.uniform() < probability, {
    below: (n: number) => random.below(n),
    pick: <T>(list: readonly T[]): T => list[random.below(list.length)]!,
  });
}

/** Picks a value for each option; undefined leaves the option out. */
function choose(chance: Chance, choices: Choices): Readonly<Record<string, unknown>> {
  const picked = Object.entries(choices).map(([name, list]) => [name, chance.pick(list)] as const);
  return Object.fromEntries(picked.filter(([, value]) => value !== undefined));
}

/** A list with as many undefined options as `count`. */
const rarely = (count: number, ...list: readonly unknown[]): readonly unknown[] => [
  ...Array<undefined>(count),
  ...list,
];

/** Creates the case of a seed. */
export function createCase(seed: number): FuzzCase {
  const chance = createChance(seed);
  const format = chooseFormat(chance);
  const groups = chooseGroups(chance);
  const tasks = chooseTasks(chance);
  const hasDirt = chance(0.6);
  const layout = chance.pick(['file', 'list', 'folder', 'glob', 'hive'] as const);
  const columns = COLUMNS.filter((name) => layout !== 'hive' || name !== 'ds');
  const isBig = chance(0.01);
  let days = 0;
  const fileOf = (name: string, isFirst = false): FuzzFile => {
    const ds = `2026-11-0${++days}`;
    const [folder, constants] = layout === 'hive' ? [`ds=${ds}/`, { ds: { text: ds } }] : ['', {}];
    const count = isBig && isFirst ? 8500 : chance.pick([1, 3, 10, 25, 40]);
    return createTable(`${folder}${name}`, count, columns, constants, { chance, format, hasDirt, groups, tasks });
  };
  const names =
    { file: ['a'], list: ['b', 'a'] }[layout as string] ??
    ['part-10', 'part-2', 'part-3'].slice(0, 1 + chance.below(3));
  const train = names.map((name, i) => fileOf(name, i === 0));
  const later = layout === 'file' || layout === 'list' ? undefined : fileOf(chance.pick(['part-1', 'part-4']));
  const split = chance(0.4) ? chooseSplit(chance) : undefined;
  const valid = split === undefined && chance(0.6) ? [fileOf('valid')] : [];
  const listed = train.map(({ name }) => `train/${name}`);
  const paths = { file: listed[0], list: listed, glob: 'train/part-*' }[layout as string] ?? 'train';
  const validPath = valid[0] && { valid: `valid/${valid[0].name}` };
  const numRoots = Object.values(tasks).filter((task) => !('given' in task)).length;
  const isSampled = !('loss' in tasks['ctr']!) && numRoots === 1 && chance(0.25);
  const data = {
    ...(split === undefined ? { train: paths, ...validPath } : { source: paths, split }),
    lookups: { shops: { file: 'shops.csv', key: 'shop' } },
    ...chooseDialect(chance, format, columns),
    ...((hasDirt || chance(0.7)) && { onBadRow: 'skip' as const, maxRejects: 20_000 }),
    ...(choose(chance, {
      nullValues: rarely(4, ['?'], ['NA', -1], ['?', 7]),
      trim: rarely(2, true),
      where: rarely(16, ...CONDITIONS),
      negativeSampling: isSampled ? [{ rate: 0.5 }, { rate: 0.5, seed: 3 }] : [undefined],
    }) as DataOptions),
  };
  return { format, data, groups, tasks, keys: chance(0.3) ? ['user.id'] : [], train, valid, later };
}

function chooseFormat(chance: Chance): Format {
  const kind = chance.pick(['csv', 'csv', 'csv', 'csv', 'jsonl', 'jsonl', 'parquet'] as const);
  const isCsv = kind === 'csv';
  const options = choose(chance, {
    delimiter: [',', ',', ',', ';', '\t', '|', '::', '\u0001'],
    quote: ['"', '"', '"', "'", 'none'],
    comments: rarely(4, isCsv ? '#' : undefined),
    hasHeader: [true, true, true, true, false],
    encoding: isCsv ? rarely(7, 'latin1', 'utf-16le', 'utf-16be') : [undefined],
    decimal: isCsv ? rarely(3, ',') : [undefined],
    hasLists: [kind === 'parquet', false],
    end: ['\n', '\n', '\r\n', isCsv ? '\r' : '\n'],
  }) as unknown as Omit<Format, 'kind'>;
  return { kind, ...options };
}

function chooseDialect(chance: Chance, format: Format, columns: readonly string[]): object {
  const { kind, delimiter, quote, comments, hasHeader, encoding, decimal } = format;
  if (kind === 'parquet') return {};
  if (kind === 'jsonl') return chance(0.5) ? { format: 'jsonl', columns } : {};
  const isDetected = hasHeader && [',', ';', '\t', '|'].includes(delimiter) && decimal === undefined && chance(0.4);
  return {
    ...(!isDetected && { delimiter }),
    ...(quote !== '"' && { quote }),
    ...(!hasHeader && { header: false, columns }),
    comments,
    encoding,
    decimal,
  };
}

function chooseSplit(chance: Chance): NonNullable<DataOptions['split']> {
  const shares = choose(chance, { valid: [0.3], test: rarely(2, 0.2), train: rarely(2, 0.4) });
  const seed = choose(chance, { seed: rarely(3, 1, 17, 99) });
  const ranges = choose(chance, { test: rarely(2, { from: '2026-11-05' }) });
  return chance.pick([
    { by: 'key', column: 'user.id', shares, ...seed },
    { by: 'random', shares, ...seed },
    { by: 'date', column: 'ds', valid: { from: '2026-11-03', to: '2026-11-04' }, ...ranges },
    { by: 'date', column: 'age', train: { to: 20 }, valid: { from: 21, to: 40 } },
  ]);
}

const CONDITIONS: readonly Condition[] = [
  { column: 'city', oneOf: ['a', 'b', 'Berlin', 'w 1', 'a,b', 'x;y', '7', '3', '12', '007', '7.0', '?'] },
  { not: { column: 'brand', equals: 'a' } },
  { column: 'play', atLeast: 3 },
  { column: 'price', below: 60, above: -50 },
  {
    any: [
      { column: 'play', above: 12 },
      { column: 'user.id', isNull: false },
    ],
  },
  { all: [{ column: 'ds', atMost: '2026-11-04' }, { not: { column: 'click', isNull: true } }] },
  {
    any: [
      { column: 'click', equals: true },
      { column: 'age', oneOf: [1, 2, 7.5] },
      { column: 'seen', isNull: false },
    ],
  },
  { column: 'user.id', equals: 7 },
];
const LIKED: readonly Condition[] = [
  {
    any: [
      { column: 'play', atLeast: 10 },
      { column: 'like', equals: true },
    ],
  },
  { all: [{ column: 'like', oneOf: ['yes', '1'] }, { not: { column: 'play', equals: 0 } }] },
  { column: 'like', isNull: false },
];

function chooseTasks(chance: Chance): FuzzCase['tasks'] {
  const isPlain = chance(0.75);
  const parent = isPlain && chance(0.5) ? 'click' : 'ctr';
  const givens = ['skip', 'keep'].map((violations) => ({ label: parent, violations }));
  const teacher = rarely(3, { column: 'teach' });
  const missing = rarely(3, 'mask', 'drop', 'negative');
  const task = (probability: number, choices: Choices): Readonly<Record<string, unknown>> | undefined =>
    chance(probability) ? choose(chance, choices) : undefined;
  // Such a loss has no probability to distill.
  const grouped = chance(0.1) ? { loss: [{ name: 'pairwise', groupBy: 'user.id' }] } : { distill: teacher };
  const label = [isPlain ? 'click' : { column: 'play', above: 5 }];
  const ctr = task(1, { label, onMissing: missing, sampleWeight: rarely(4, 'w'), ...grouped });
  const given = isPlain ? [parent, ...givens] : givens;
  const cvr = task(0.7, { label: ['buy'], given, onMissing: missing, distill: teacher });
  const pay = { label: ['pay'], given: [{ label: 'buy', violations: 'skip' }], onMissing: ['mask', 'negative'] };
  const spend = choose(chance, {
    scaling: rarely(1, ['log1p'], [['log1p', 'standard']]),
    loss: [undefined],
  }) as Choices;
  const amounts = chance(0.25) ? { loss: ['poisson'] } : spend;
  const tasks = {
    ctr,
    cvr,
    pay: cvr && task(0.3, pay),
    spend: task(0.4, {
      label: ['spend'],
      type: ['regression'],
      onMissing: rarely(1, 'mask', 'drop'),
      given: rarely(1, parent),
      ...amounts,
    }),
    liked: task(0.3, { label: LIKED, onMissing: ['mask', 'drop', 'negative'] }),
  };
  return Object.fromEntries(Object.entries(tasks).flatMap(([name, own]) => (own === undefined ? [] : [[name, own]])));
}

const CLEANING: Choices = { nullValues: rarely(12, ['b'], ['?', 3], ['-1']), trim: rarely(12, true, true, false) };
const OWN: Choices = { width: [4], ...CLEANING };
const MISSING: Choices = { fillMissing: rarely(4, 'unknown', 'token', 'token', 'error') };
const HASHES = [0, 1, 2, 3, 4].map((seed) => ({ name: 'hash', buckets: 7, seed }));
const chooseTexts = (chance: Chance): Choices => ({
  encoding: ['tokens', 'auto', { name: 'tokens', minCount: 2 }, chance.pick(HASHES)],
});
const IDS: Choices = {
  encoding: ['ids', 'ids', 'auto', { name: 'ids', sizes: { item: 60 } }, 'tokens', { name: 'hash', buckets: 50 }],
};
const FORM: Choices = {
  separators: rarely(6, { items: ';', weight: '=' }),
  format: rarely(7, 'separated', 'auto', 'json'),
};
const chooseNumbers = (chance: Chance): Choices => ({
  encoding: [
    'piecewise-linear',
    { name: 'piecewise-linear', bins: 1 + chance.below(6) },
    { name: 'bucketized', ...(chance(0.5) ? { quantiles: 2 + chance.below(4) } : { boundaries: [0, 2.5, 10] }) },
    {
      name: 'numeric',
      ...choose(chance, { fillMissing: ['mean', 'zero', 'median', 4], scaling: ['none', 'standard'] }),
    },
    { name: 'numeric', fillMissing: 'mean', indicator: true },
    { name: 'numeric' },
  ],
});
const CROSSES = [
  ['city', 'item'],
  ['brand', 'ds', 'shop'],
  ['city', 'user.id'],
];

function chooseGroups(chance: Chance): FuzzTables['groups'] {
  const group = (probability: number, type: string, fields: readonly object[], ...choices: readonly Choices[]) =>
    chance(probability)
      ? [{ type, fields, ...choose(chance, Object.assign({}, ...choices) as Choices) } as GroupOptions]
      : [];
  const cleaned = (fields: object): object => ({ ...fields, ...choose(chance, CLEANING) });
  const [seen, liked] = [choose(chance, FORM), choose(chance, FORM)];
  const form = (options: object): Choices =>
    Object.fromEntries(Object.entries(options).map(([key, value]) => [key, [value]]));
  const city = group(
    0.7,
    'categorical',
    [{ name: 'city' }, ...(chance(0.4) ? [cleaned({ name: 'brand' })] : [])],
    chooseTexts(chance),
    MISSING,
    OWN,
  );
  const item = group(0.6, 'categorical', [{ name: 'item' }], IDS, MISSING, OWN);
  const [hasCity, hasItem] = [city.length, item.length];
  const pooled = { pooling: rarely(2, 'sum', 'mean', 'sqrtn'), maxItems: rarely(4, 1, 2, 3) };
  const history = chance.pick(['seen', 'liked']);
  const match = { name: '', candidate: chance.pick(['city', 'brand', 'item', 'shop']), history };
  const expressions = ['made', 'made.too'].map((name) =>
    cleaned({ name, expression: chance.pick(Object.keys(EXPRESSIONS)) }),
  );
  const fills = { fillMissing: rarely(1, 'mean', 'median', 'zero', 4) };
  const scaling = rarely(1, 'standard', 'min-max', ['log1p', 'standard'], 'log1p');
  const price = group(
    0.6,
    'numeric',
    [{ name: 'price' }, ...(chance(0.5) ? [{ name: 'age', fillMissing: 'zero' }] : [])],
    { scaling, ...fills },
    CLEANING,
  );
  const look = group(0.3, 'vector', [{ name: 'look' }], {
    scaling: rarely(1, 'standard', ['log1p', 'min-max']),
    fillMissing: rarely(1, 'mean', 'zero'),
    length: rarely(1, 3),
  });
  const groups: readonly (GroupOptions | SequenceGroup)[] = [
    ...city,
    ...item,
    ...(hasItem > 0 ? group(0.4, 'categorical', [{ name: 'shop' }], { table: ['item'] }, CLEANING) : []),
    ...[...price, ...look].map((each) =>
      each.fillMissing !== undefined && chance(0.4) ? { ...each, indicator: true } : each,
    ),
    ...group(
      0.3,
      'bucketized',
      [{ name: 'price' }],
      chance(0.5) ? { quantiles: [2, 3, 4, 5] } : { boundaries: [[0, 2.5, 10]] },
      MISSING,
      OWN,
    ),
    ...group(0.3, 'piecewise-linear', [{ name: 'age' }], { bins: [1, 2, 3, 4, 5, 6] }, OWN),
    ...group(
      0.5,
      'bag',
      [{ name: 'seen' }],
      form(seen),
      pooled,
      hasCity > 0 && chance(0.4) ? { table: ['city'], ...CLEANING } : { ...chooseTexts(chance), ...OWN },
    ),
    ...group(
      0.4,
      'bag',
      [{ name: 'liked' }],
      form(liked),
      pooled,
      hasItem > 0 && chance(0.5) ? { table: ['item'], ...CLEANING } : { encoding: ['ids', 'auto'], ...OWN },
    ),
    ...group(
      0.5,
      'date',
      [{ name: 'at' }],
      {
        parts: rarely(2, ['hour'], ['weekday', 'day', 'month'], ['month', 'hour']),
        format: rarely(8, 'seconds', 'milliseconds'),
        timeZone: rarely(4, 'Europe/Berlin', '+02:00', 'America/New_York'),
      },
      MISSING,
      OWN,
    ),
    ...group(
      0.4,
      'cross',
      [{ columns: chance.pick(CROSSES) }],
      chance(0.5) ? { buckets: [20] } : { encoding: ['tokens'] },
      OWN,
    ),
    ...group(
      0.4,
      'match',
      [cleaned(match)],
      form(history === 'seen' ? seen : liked),
      { outputs: rarely(2, ['weight', 'recency'], ['share'], ['count']), newest: rarely(2, 'first') },
      chooseNumbers(chance),
    ),
    ...group(0.5, 'expression', expressions, chooseNumbers(chance)),
    ...(chance(0.6) ? [chooseSequence(chance, [...city, ...item])] : []),
  ];
  return groups.length > 0 ? groups : [{ type: 'categorical', fields: [{ name: 'city' }], encoding: 'tokens' }];
}

/** Chooses a sequence, whose items may have the ids of other fields, and equal their values. */
function chooseSequence(chance: Chance, targets: readonly GroupOptions[]): SequenceGroup {
  const owner = (name: string): GroupOptions | undefined =>
    targets.find(({ fields }) => fields.some((field) => field.name === name));
  const isAligned = chance(0.75);
  const field = (name: string, target: string, choices: Choices): SequenceEntry =>
    owner(target) !== undefined && chance(0.7) ? { name, target } : { name, ...choose(chance, choices) };
  const texts = { encoding: ['tokens', { name: 'tokens', minCount: 2 }, { name: 'hash', buckets: 9 }] };
  const times = {
    as: ['age'],
    until: ['now'],
    ...chance.pick<Choices>([{ buckets: ['log'] }, { scaling: rarely(1, 'none', 'standard', 'min-max') }]),
  };
  const all = [
    field('visited', 'item', { encoding: ['ids', 'auto', { name: 'ids', sizes: { visited: 60 } }] }),
    field('town', 'city', texts),
    ...(isAligned
      ? [
          field('paid', '', { scaling: [['log1p'], ['log1p', 'standard'], ['none']] }),
          field('left', '', times),
          { ...field('tags', 'city', texts), pooling: chance.pick(['mean', 'sum']) },
        ]
      : []),
  ];
  const chosen = all.filter(() => chance(0.75));
  const fields = chosen.length === 0 ? all.slice(0, 1) : chance(0.3) ? chosen.reverse() : chosen;
  const newest = [{ newest: 'first' }, { newest: 'last' }];
  const order =
    isAligned && fields.some(({ name }) => name === 'left') && chance(0.5) ? [{ by: 'left' }] : rarely(1, ...newest);
  const kept = isAligned || chance(0.5) ? 'last' : 'heaviest';
  const group = choose(chance, {
    type: ['sequence'],
    name: ['trips'],
    fields: [fields],
    encoder: ['pooling'],
    aligned: [isAligned ? undefined : false],
    order,
    keep: rarely(2, ...[1, 2, 3, 4].map((count) => ({ [kept]: count }))),
    separators: rarely(4, { items: ';', weight: '=', values: '/' }),
    format: rarely(12, 'separated', 'auto', 'json'),
    ...CLEANING,
  }) as unknown as SequenceGroup;
  const { name, target = '' } = fields.find((entry) => entry.target !== undefined && entry.pooling === undefined) ?? {};
  const { keep = { last: 50 } } = group;
  if (name === undefined || !isAligned || !('last' in keep) || chance(0.4)) return group;
  // Both are cleaned alike.
  const { nullValues, trim } = owner(target)!;
  return { ...group, nullValues, trim, keep: { ...keep, matching: name } };
}
