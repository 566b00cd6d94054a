import { randomStream } from '../../src/core/random.js';
import type { Condition } from '../../src/core/conditions.js';
import { EXPRESSIONS, SHOPS } from './fuzz-expressions.js';
import { chooseSequence, matchSome, SEQUENCE_COLUMNS, sequenceCells } from './fuzz-sequences.js';
import { NOT_UTF8, writeTable, type Cell, type FuzzFile, type Format } from './fuzz-files.js';

// Random configs with data files for the fuzz test: each case follows from its seed.

/** Random choices. */
export interface Chance {
  /** Returns true with a probability. */
  (probability: number): boolean;
  below(n: number): number;
  pick<T>(list: readonly T[]): T;
}

/** Cleaning of values. */
export interface CellOptions {
  readonly nullValues?: readonly (string | number)[];
  readonly trim?: boolean;
}

/** Options of a field, as in a config. */
export interface FieldOptions extends CellOptions {
  readonly width?: number;
  readonly encoding?: string | EncodingOptions;
  readonly table?: string | undefined;
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
  readonly separators?: { readonly items?: string; readonly weight?: string; readonly values?: string };
  readonly separator?: string;
  readonly length?: number;
  readonly buckets?: number | undefined;
  readonly seed?: number | undefined;
  readonly outputs?: readonly MatchOutput[];
  readonly newest?: 'first' | 'last';
  readonly name?: string;
}
export type MatchOutput = 'present' | 'count' | 'weight' | 'share' | 'recency';

/** A number that is computed. */
export interface NamedExpression extends CellOptions {
  readonly name: string;
  readonly expression: string;
}

/** A pair of columns that is compared. */
export interface MatchPair extends CellOptions {
  readonly candidate: string;
  readonly history: string;
}
interface EncodingOptions extends Omit<FieldOptions, 'encoding'> {
  readonly name: string;
  readonly minCount?: number;
  readonly sizes?: Readonly<Record<string, number>>;
}

/** A feature group, as in a config. */
export interface GroupOptions extends FieldOptions {
  readonly type: string;
  readonly fields: readonly (
    string | readonly string[] | MatchPair | NamedExpression | (FieldOptions & { readonly name: string })
  )[];
}

export type Part = 'train' | 'valid' | 'test';
type Range = { readonly from?: number | string; readonly to?: number | string };

/** The `data` section of a config, without its files. */
export interface DataOptions extends CellOptions {
  readonly decimal?: string;
  readonly onBadRow?: 'error' | 'skip';
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
  readonly features: Readonly<Record<string, GroupOptions>>;
  readonly tasks: Readonly<Record<string, object>>;
  readonly keys: readonly string[];
  /** All columns. */
  readonly columns: readonly string[];
  readonly train: readonly FuzzFile[];
  readonly valid: readonly FuzzFile[];
  /** A file that is added to the training set later. */
  readonly later: FuzzFile | undefined;
}

/** Creates the random choices of a seed. */
export function createChance(seed: number): Chance {
  const random = randomStream(seed, 'fuzz');
  return Object.assign((probability: number) => random.uniform() < probability, {
    below: (n: number) => random.below(n),
    pick: <T>(list: readonly T[]): T => list[random.below(list.length)]!,
  });
}

/** Creates the case of a seed. */
export function createCase(seed: number): FuzzCase {
  const chance = createChance(seed);
  const format = chooseFormat(chance);
  const features = chooseFeatures(chance);
  const tasks = chooseTasks(chance);
  const hasDirt = chance(0.6);
  const cells: CellContext = {
    chance,
    format,
    hasDirt,
    strict: strictColumns(Object.values(features)),
    features,
    tasks,
  };
  const layout = chance.pick(['file', 'list', 'folder', 'glob', 'hive'] as const);
  const isBig = chance(0.02);
  const columns = COLUMNS.filter((name) => layout !== 'hive' || name !== 'ds');
  let days = 0;
  const fileOf = (name: string, isFirst = false): FuzzFile => {
    const ds = `2026-11-0${++days}`;
    const rows = Array.from({ length: isBig && isFirst ? 8500 : chance.pick([1, 3, 10, 25, 40]) }, (_, i) =>
      rowOf(cells, i === 0),
    );
    const [folder, constants] = layout === 'hive' ? [`ds=${ds}/`, { ds }] : ['', {}];
    return writeTable(`${folder}${name}`, rows, columns, constants, { chance, format, hasDirt });
  };
  const names =
    layout === 'file'
      ? ['a']
      : layout === 'list'
        ? ['b', 'a']
        : ['part-10', 'part-2', 'part-3'].slice(0, 1 + chance.below(3));
  const train = names.map((name, i) => fileOf(name, i === 0));
  const later = layout === 'file' || layout === 'list' ? undefined : fileOf(chance.pick(['part-1', 'part-4']));
  const split = chance(0.4) ? chooseSplit(chance) : undefined;
  const valid = split === undefined && chance(0.6) ? [fileOf('valid')] : [];
  const paths = pathsOf(layout, train);
  const sets =
    split === undefined
      ? { train: paths, ...(valid.length > 0 && { valid: `valid/${valid[0]!.name}` }) }
      : { source: paths, split };
  const hasGroups = chance(0.1);
  // Such a loss has no probability to distill.
  if (hasGroups) tasks['ctr'] = { ...tasks['ctr'], loss: { name: 'pairwise', groupBy: 'user.id' }, distill: undefined };
  const hasSampling =
    !hasGroups && chance(0.25) && Object.values(tasks).filter((task) => !('given' in task)).length === 1;
  const data = {
    ...sets,
    lookups: { shops: { file: SHOPS.file, key: SHOPS.key } },
    ...dialectOf(chance, format, columns),
    ...((hasDirt || chance(0.7)) && { onBadRow: 'skip' as const, maxRejects: 20_000 }),
    ...(chance(0.4) && { nullValues: chance.pick([['?'], ['NA', -1], ['?', 7]]) }),
    ...(chance(0.3) && { trim: true }),
    ...(chance(0.35) && { where: chooseCondition(chance) }),
    ...(hasSampling && { negativeSampling: { rate: 0.5, ...(chance(0.5) && { seed: 3 }) } }),
  };
  return { format, data, features, tasks, keys: chance(0.3) ? ['user.id'] : [], columns: COLUMNS, train, valid, later };
}

function pathsOf(layout: string, files: readonly FuzzFile[]): string | readonly string[] {
  const names = files.map(({ name }) => `train/${name}`);
  if (layout === 'file') return names[0]!;
  return layout === 'list' ? names : layout === 'glob' ? 'train/part-*' : 'train';
}

function chooseFormat(chance: Chance): Format {
  const kind = chance.pick(['csv', 'csv', 'csv', 'csv', 'jsonl', 'jsonl', 'parquet'] as const);
  const delimiter = chance.pick([',', ',', ',', ';', '\t', '|', '::', '\u0001']);
  return {
    kind,
    delimiter,
    quote: chance.pick(['"', '"', '"', "'", 'none']),
    comments: kind === 'csv' && chance(0.2) ? '#' : undefined,
    hasHeader: chance(0.8),
    encoding: kind === 'csv' && chance(0.3) ? chance.pick(['latin1', 'utf-16le', 'utf-16be']) : undefined,
    decimal: kind === 'csv' && chance(0.25) ? ',' : undefined,
    hasLists: kind === 'parquet' && chance(0.5),
    end: chance.pick(['\n', '\n', '\r\n', kind === 'csv' ? '\r' : '\n']),
  };
}

function dialectOf(chance: Chance, format: Format, columns: readonly string[]): object {
  const { kind, delimiter, quote, comments, hasHeader, encoding, decimal } = format;
  if (kind === 'parquet') return {};
  if (kind === 'jsonl') return chance(0.5) ? { format: 'jsonl', columns } : {};
  const isDetected = hasHeader && [',', ';', '\t', '|'].includes(delimiter) && decimal === undefined && chance(0.4);
  return {
    ...(!isDetected && { delimiter }),
    ...(quote !== '"' && { quote }),
    ...(comments !== undefined && { comments }),
    ...(!hasHeader && { header: false, columns }),
    ...(encoding !== undefined && { encoding }),
    ...(decimal !== undefined && { decimal }),
  };
}

function chooseSplit(chance: Chance): NonNullable<DataOptions['split']> {
  const shares = { valid: 0.3, ...(chance(0.3) && { test: 0.2 }), ...(chance(0.3) && { train: 0.4 }) };
  const seed = chance(0.5) ? { seed: chance.below(100) } : {};
  return chance.pick<NonNullable<DataOptions['split']>>([
    { by: 'key', column: 'user.id', shares, ...seed },
    { by: 'random', shares, ...seed },
    {
      by: 'date',
      column: 'ds',
      valid: { from: '2026-11-03', to: '2026-11-04' },
      ...(chance(0.3) && { test: { from: '2026-11-05' } }),
    },
    { by: 'date', column: 'age', train: { to: 20 }, valid: { from: 21, to: 40 } },
  ]);
}

function chooseCondition(chance: Chance): Condition {
  return chance.pick<Condition>([
    { column: 'city', oneOf: TEXTS.slice(0, 12) },
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
  ]);
}

function chooseTasks(chance: Chance): Record<string, object> {
  const missing = (): object => (chance(0.5) ? { onMissing: chance.pick(['mask', 'drop', 'negative']) } : {});
  const taught = (): object => (chance(0.25) ? { distill: { column: 'teach' } } : {});
  const isPlain = chance(0.75);
  const condition = { column: 'play', above: 5 };
  const ctr = {
    label: isPlain ? 'click' : condition,
    ...missing(),
    ...(chance(0.2) && { sampleWeight: 'w' }),
    ...taught(),
  };
  const violations = isPlain && chance(0.4) ? undefined : chance.pick(['skip', 'keep']);
  const parent = isPlain && chance(0.5) ? 'click' : 'ctr';
  const cvr = {
    label: 'buy',
    given: violations === undefined ? parent : { label: parent, violations },
    ...missing(),
    ...taught(),
  };
  const amount = {
    label: 'spend',
    type: 'regression',
    ...(chance(0.7) && { onMissing: chance.pick(['mask', 'drop']) }),
    ...(chance(0.4) && { given: parent }),
    ...chance.pick([{}, { scaling: 'log1p' }, { scaling: ['log1p', 'standard'] }, { loss: 'poisson' }]),
  };
  const liked = {
    label: chance.pick([
      {
        any: [
          { column: 'play', atLeast: 10 },
          { column: 'like', equals: true },
        ],
      },
      { all: [{ column: 'like', oneOf: ['yes', '1'] }, { not: { column: 'play', equals: 0 } }] },
      { column: 'like', isNull: false },
    ]),
    onMissing: chance.pick(['mask', 'drop', 'negative']),
  };
  const hasCvr = chance(0.7);
  return {
    ctr,
    ...(hasCvr && { cvr }),
    ...(hasCvr &&
      chance(0.3) && {
        pay: {
          label: 'pay',
          given: { label: 'buy', violations: 'skip' },
          onMissing: chance.pick(['mask', 'negative']),
        },
      }),
    ...(chance(0.4) && { spend: amount }),
    ...(chance(0.3) && { liked }),
  };
}

/** Options that may be set for any group. */
const cleaning = (chance: Chance): FieldOptions => ({
  ...(chance(0.2) && { nullValues: chance.pick([['b'], ['?', 3], ['-1']]) }),
  ...(chance(0.15) && { trim: chance(0.7) }),
});

function chooseFeatures(chance: Chance): Readonly<Record<string, GroupOptions>> {
  const missing = (p = 0.5): FieldOptions =>
    chance(p) ? { fillMissing: chance.pick(['unknown', 'token', 'token', 'error']) } : {};
  const scaling = (): FieldOptions =>
    chance.pick([
      {},
      { scaling: 'standard' },
      { scaling: 'min-max' },
      { scaling: ['log1p', 'standard'] },
      { scaling: 'log1p' },
    ]);
  const textEncoding = () =>
    chance.pick([
      'tokens',
      'auto',
      { name: 'tokens', minCount: 2 },
      { name: 'hash', buckets: 7, seed: chance.below(5) },
    ]);
  const own = (): FieldOptions => ({ width: 4, ...cleaning(chance) });
  const idEncoding = chance.pick([
    'ids',
    'ids',
    'auto',
    { name: 'ids', sizes: { item: 60 } },
    'tokens',
    { name: 'hash', buckets: 50 },
  ]);
  const hasItem = chance(0.6);
  const hasCity = chance(0.7);
  const pooled = (): FieldOptions => ({
    ...(chance(0.6) && { pooling: chance.pick(['sum', 'mean', 'sqrtn']) }),
    ...(chance(0.15) && { separators: { items: ';', weight: '=' } }),
    ...(chance(0.4) && { maxItems: 1 + chance.below(3) }),
    ...(chance(0.3) && { format: chance.pick(['separated', 'auto', 'json']) }),
  });
  const isDated = chance(0.5);
  const groups: readonly (GroupOptions | false)[] = [
    hasCity && {
      type: 'categorical',
      fields: ['city', ...(chance(0.4) ? [{ name: 'brand', ...cleaning(chance) }] : [])],
      encoding: textEncoding(),
      ...missing(),
      ...own(),
    },
    hasItem && { type: 'categorical', fields: ['item'], encoding: idEncoding, ...missing(0.8), ...own() },
    hasItem && chance(0.4) && { type: 'categorical', fields: ['shop'], table: 'item', ...cleaning(chance) },
    chance(0.6) && {
      type: 'numeric',
      fields: ['price', ...(chance(0.5) ? [{ name: 'age', fillMissing: 'zero' }] : [])],
      ...scaling(),
      ...(chance(0.8)
        ? {
            fillMissing: chance.pick<string | number>(['mean', 'median', 'zero', 4]),
            ...(chance(0.4) && { indicator: true }),
          }
        : {}),
      ...cleaning(chance),
    },
    chance(0.3) && {
      type: 'bucketized',
      fields: ['price'],
      ...(chance(0.5) ? { quantiles: 2 + chance.below(4) } : { boundaries: [0, 2.5, 10] }),
      ...missing(),
      ...own(),
    },
    chance(0.3) && { type: 'piecewise-linear', fields: ['age'], bins: 1 + chance.below(6), ...own() },
    chance(0.5) && {
      type: 'bag',
      fields: ['seen'],
      ...(hasCity && chance(0.4) ? { table: 'city', ...cleaning(chance) } : { encoding: textEncoding(), ...own() }),
      ...pooled(),
    },
    chance(0.4) && {
      type: 'bag',
      fields: ['liked'],
      ...(hasItem && chance(0.5)
        ? { table: 'item', ...cleaning(chance) }
        : { encoding: chance.pick(['ids', 'auto']), ...own() }),
      ...pooled(),
    },
    chance(0.3) && {
      type: 'vector',
      fields: ['look'],
      ...chance.pick([{}, { scaling: 'standard' }, { scaling: ['log1p', 'min-max'] }]),
      ...(chance(0.7) && { fillMissing: chance.pick(['mean', 'zero']), ...(chance(0.5) && { indicator: true }) }),
      ...(chance(0.5) && { length: 3 }),
    },
    isDated && {
      type: 'date',
      fields: ['at'],
      ...(chance(0.6) && { parts: chance.pick([['hour'], ['weekday', 'day', 'month'], ['month', 'hour']]) }),
      ...(chance(0.2) && { format: chance.pick(['seconds', 'milliseconds']) }),
      ...(chance(0.4) && { timeZone: chance.pick(['Europe/Berlin', '+02:00', 'America/New_York']) }),
      ...missing(),
      ...own(),
    },
    chance(0.4) && {
      type: 'cross',
      fields: [
        chance.pick([
          ['city', 'item'],
          ['brand', 'ds', 'price'],
          ['city', 'user.id'],
        ]),
      ],
      ...(chance(0.5) ? { buckets: 20 } : { encoding: 'tokens' }),
      ...own(),
    },
    chooseMatch(chance),
    chooseExpression(chance),
    chooseSequence(chance, { hasItem, hasCity }, cleaning(chance)),
  ];
  const chosen = groups.filter((group) => group !== false);
  const all = chosen.length > 0 ? chosen : [{ type: 'categorical', fields: ['city'], encoding: 'tokens', width: 4 }];
  return Object.fromEntries(matchSome(chance, all).map((group, i) => [`group${i}`, group]));
}

function chooseMatch(chance: Chance): GroupOptions | false {
  return (
    chance(0.4) && {
      type: 'match',
      fields: [
        {
          candidate: chance.pick(['city', 'brand', 'item', 'shop']),
          history: chance.pick(['seen', 'liked']),
          ...cleaning(chance),
        },
      ],
      ...(chance(0.6) && { outputs: chance.pick<MatchOutput[]>([['weight', 'recency'], ['share'], ['count']]) }),
      ...(chance(0.3) && { newest: 'first' }),
      ...(chance(0.15) && { separators: { items: ';', weight: '=' } }),
      ...(chance(0.3) && { format: chance.pick(['separated', 'auto', 'json']) }),
      encoding: chooseNumberEncoding(chance),
    }
  );
}

function chooseExpression(chance: Chance): GroupOptions | false {
  return (
    chance(0.5) && {
      type: 'expression',
      fields: ['made', 'made.too'].map((name) => ({
        name,
        expression: chance.pick(Object.keys(EXPRESSIONS)),
        ...cleaning(chance),
      })),
      encoding: chooseNumberEncoding(chance),
    }
  );
}

function chooseNumberEncoding(chance: Chance): Exclude<FieldOptions['encoding'], undefined> {
  return chance.pick<Exclude<FieldOptions['encoding'], undefined>>([
    'piecewise-linear',
    { name: 'piecewise-linear', bins: 1 + chance.below(6) },
    { name: 'bucketized', ...(chance(0.5) ? { quantiles: 2 + chance.below(4) } : { boundaries: [0, 2.5, 10] }) },
    {
      name: 'numeric',
      fillMissing: chance.pick(['mean', 'zero', 'median', 4]),
      scaling: chance.pick(['none', 'standard']),
    },
    { name: 'numeric', fillMissing: 'mean', indicator: true },
    { name: 'numeric' },
  ]);
}

/** Columns with a field that rejects missing values. */
function strictColumns(groups: readonly GroupOptions[]): ReadonlySet<string> {
  const isStrict = ({ type, encoding = 'ids', table, fillMissing }: GroupOptions): boolean => {
    if (type === 'bag' || type === 'cross' || type === 'match' || type === 'expression' || table !== undefined)
      return false;
    if (type === 'numeric' || type === 'vector') return fillMissing === undefined;
    const isIds =
      type === 'categorical' && (encoding === 'ids' || (typeof encoding === 'object' && encoding.name === 'ids'));
    return fillMissing === 'error' || (fillMissing === undefined && isIds);
  };
  const fields = groups.filter(isStrict).flatMap((group) => group.fields);
  const names = fields.map((field) => (typeof field === 'string' ? field : 'name' in field ? field.name : ''));
  return new Set(names.includes('item') ? [...names, 'shop'] : names);
}

/** All columns of a table. */
// prettier-ignore
const COLUMNS = [
  'click', 'buy', 'pay', 'like', 'spend', 'play', 'w', 'user.id', 'city', 'brand', 'item', 'shop', 'price', 'age',
  'seen', 'liked', 'look', 'at', 'ds', 'note', 'teach', ...SEQUENCE_COLUMNS,
];
const NUMBERS = ['spend', 'play', 'w', 'price', 'age', 'click', 'teach'];
// prettier-ignore
const TEXTS = [
  'a', 'b', 'Berlin', 'w 1', 'a,b', 'x;y', '7', '3', '12', '007', '7.0', '?', 'NA', '-1', ' lead', 'trail ', '"q"',
  "it's", '#c', 'l1\nl2', 'l1\r\nl2', 'l1\rl2', 'null', '[x', 'a|b', 'a:b', '\t', 'K\u00f6ln', '\u00ff',
  '\u6771\u4eac', '\u{1f600}', '\ue000', '\u2028', 'a"b', '::', '\u001f',
];

interface CellContext {
  readonly chance: Chance;
  readonly format: Format;
  readonly hasDirt: boolean;
  readonly strict: ReadonlySet<string>;
  readonly features: FuzzCase['features'];
  readonly tasks: FuzzCase['tasks'];
}

/** Creates a row; the first of a file is valid in most columns. */
function rowOf(context: CellContext, isFirst: boolean): Record<string, Cell> {
  const { chance, tasks, hasDirt, strict, format } = context;
  const cells = Object.fromEntries(
    COLUMNS.map((name): [string, Cell] => {
      const isDirty = hasDirt && !isFirst && chance(0.015);
      const mayBeBlank =
        !isFirst && !(format.hasLists && name === 'seen') && !strict.has(name) && !isLabel(name, tasks);
      if (isDirty) return [name, pointed(name, dirtOf(name, context), format, chance(0.5))];
      return [
        name,
        mayBeBlank && chance(0.12)
          ? ''
          : pointed(name, cellOf(name, context), format, hasDirt && !isFirst && chance(0.02)),
      ];
    }),
  );
  const options = Object.values(context.features).find(({ type }) => type === 'sequence') ?? {};
  Object.assign(cells, sequenceCells({ chance, format, hasDirt: hasDirt && !isFirst, options }));
  const mayBreak = hasDirt && chance(0.05);
  if (!isFirst && chance(0.02)) cells['look'] = vectorOf(context, 2);
  if (!isFirst && 'onMissing' in tasks['ctr']! && chance(0.1)) cells['click'] = '';
  if (cells['click'] !== '1' && cells['buy'] === '1' && !mayBreak) cells['buy'] = '0';
  if (cells['click'] !== '0' && !isFirst && chance(0.2))
    cells['buy'] = mayBreak || 'onMissing' in (tasks['cvr'] ?? {}) ? '' : cells['buy']!;
  if (cells['click'] === '0' && chance(0.3)) cells['buy'] = '';
  for (const name of ['click', 'buy', 'w', 'price', 'play'])
    if (format.kind === 'jsonl' && (cells[name] === '0' || cells[name] === '1') && chance(0.1))
      cells[name] = { json: cells[name] === '1' ? 'true' : 'false' };
  return cells;
}

const isLabel = (name: string, tasks: FuzzCase['tasks']): boolean => {
  if (['click', 'buy', 'w'].includes(name)) return true;
  if (name === 'spend') return !('onMissing' in (tasks['spend'] ?? {}));
  return (
    name === 'play' && typeof (tasks['ctr'] as { label: unknown }).label === 'object' && !('onMissing' in tasks['ctr']!)
  );
};

/** Writes numbers with the decimal separator of the format. */
function pointed(name: string, cell: Cell, { decimal }: Format, mayKeepPoint: boolean): Cell {
  if (mayKeepPoint) return cell;
  return decimal === ',' && typeof cell === 'string' && NUMBERS.includes(name) ? cell.replace('.', ',') : cell;
}

const NUMBER_TEXTS = ['0', '1', '2.5', '3', '7.50', '1e1', '.5', '5.', '+4', '10', '12.25', '0.1', '1e-3', '007', '7'];

/** Creates a valid value. */
function cellOf(name: string, context: CellContext): Cell {
  const { chance, features, format } = context;
  const optionsOf = (type: string): FieldOptions => Object.values(features).find((group) => group.type === type) ?? {};
  switch (name) {
    case 'click':
      return chance(0.05) ? chance.pick(['1.0', '00', '1e0']) : chance.pick(['0', '0', '1']);
    case 'buy':
    case 'pay':
      return chance.pick(['0', '0', '1']);
    case 'like':
      return chance.pick(['1', '0', 'true', 'False', '']);
    case 'spend':
    case 'play':
      return chance(0.5) ? chance.pick(NUMBER_TEXTS) : String(chance.below(80) / 4);
    case 'teach':
      return chance.pick(['0', '1', '.5', '1e-9', '0.875', '1.0']);
    case 'w':
      return chance.pick(['0.5', '1', '2', '0']);
    case 'user.id':
      return chance.pick(['u1', 'u2', '\u00fc3', '7', '8', '007', '9007199254740993', String(chance.below(30))]);
    case 'city':
    case 'brand':
    case 'note':
      return textOf(chance, format, chance.pick([4, 12, TEXTS.length]));
    case 'item':
    case 'shop':
      return chance(0.05) ? '007' : String(1 + chance.below(chance.pick([6, 40])));
    case 'price':
    case 'age':
      return chance(0.4) ? chance.pick(NUMBER_TEXTS) : String((chance.below(240) - (name === 'price' ? 0 : 2)) / 4);
    case 'seen':
      return bagOf(
        context,
        optionsOfField(features, 'seen'),
        () => textOf(chance, format, 12).replace(/[|:";=]/g, '_') || 'e',
      );
    case 'liked':
      return bagOf(context, optionsOfField(features, 'liked'), () => String(1 + chance.below(12)));
    case 'look':
      return vectorOf(context, 3);
    case 'at':
      return timeOf(chance, optionsOf('date'));
    default:
      return `2026-11-0${1 + chance.below(6)}`;
  }
}

function optionsOfField(features: FuzzCase['features'], name: string): FieldOptions {
  return Object.values(features).find(({ fields }) => fields.includes(name)) ?? {};
}

/** Creates a value that is invalid for most uses of its column. */
function dirtOf(name: string, context: CellContext): Cell {
  const { chance, features, format } = context;
  if (format.hasLists && ['seen', 'liked', 'look'].includes(name)) return cellOf(name, context);
  if (name === 'seen' || name === 'liked') {
    const list = chance.pick(['[1.5]', '[null]', '[["a"]]', '[["a","b"]]', '[{"ix":1}]', '["a",[]]', '[["a",1e99]]']);
    return chance.pick<Cell>([
      'a:',
      ':2',
      'a||b',
      'a:x',
      'a:-1',
      "['a']",
      '[a',
      list,
      format.kind === 'jsonl' ? { json: list } : list,
    ]);
  }
  if (name === 'look') {
    const hasLength = Object.values(features).some(({ length }) => length !== undefined);
    return hasLength ? chance.pick(['1|2', '1|2|3|4', '[1 2]', 'x', '1|x|2']) : chance.pick(['1|x|2', '', '1||2']);
  }
  if (name === 'at') return chance.pick(['2026-02-30', '2026-13-01', 'soon', '2026-11-01T25:00', '']);
  if (
    (name === 'city' || name === 'brand') &&
    format.kind !== 'parquet' &&
    format.encoding === undefined &&
    chance(0.4)
  )
    return `a${NOT_UTF8}`;
  if (name === 'ds' || name === 'user.id' || name === 'city')
    return chance.pick(['', 'x', textOf(chance, format, TEXTS.length)]);
  if (format.kind === 'jsonl' && chance(0.2)) return { json: '[1, 2]' };
  // prettier-ignore
  return chance.pick([
    'abc', '', '-5', '1.5', '1,5', '99999999999', '1e99', '--1', '0x10', 'NaN', ' 5', '-1 ', ' -1', '-1.0', '0x7',
    '1.500', '2', '70',
  ]);
}

/** Picks a string that the encoding of the format has. */
function textOf(chance: Chance, { encoding }: Format, some: number): string {
  const text = chance.pick(TEXTS.slice(0, some));
  return encoding === 'latin1' && /[^\u0000-\u00ff]/.test(text) ? 'latin' : text;
}

function bagOf(
  { chance, format }: CellContext,
  { format: form, pooling, separators = {} }: FieldOptions,
  idOf: () => string,
): Cell {
  const items = Array.from(
    { length: chance.below(5) },
    () => [idOf(), chance(0.6) ? 1 : (chance.below(9) - (pooling === 'sum' ? 2 : 0)) / 2] as const,
  );
  if (format.hasLists) return { json: JSON.stringify(items.map(([id]) => id)) };
  const { items: between = '|', weight: colon = ':' } = separators;
  if (form === 'json' || (form !== 'separated' && chance(0.3))) {
    const isNumeric = items.every(([id]) => /^[1-9]\d*$/.test(id));
    const list = chance.pick([
      JSON.stringify(items.map(([id]) => (isNumeric ? Number(id) : id))),
      JSON.stringify(items),
      `[${items.map(([id, weight]) => JSON.stringify(weight === 1 ? { id } : { weight, id })).join(' , ')}]`,
    ]);
    return format.kind === 'jsonl' && chance(0.7) ? { json: list } : list;
  }
  return items.map(([id, weight]) => (weight === 1 && chance(0.8) ? id : `${id}${colon}${weight}`)).join(between);
}

function vectorOf({ chance, format }: CellContext, length: number): Cell {
  const numbers = Array.from({ length }, () => chance.pick(['0.5', '0.25', '-0.5', '1', '0', '1e-2', '3']));
  const list = `[${numbers.join(', ')}]`;
  if (format.hasLists) return { json: JSON.stringify(numbers.map(Number)) };
  if (format.kind === 'jsonl' && chance(0.5)) return { json: list };
  return chance.pick([numbers.join('|'), list, `[${numbers.join('  ')}]`]);
}

function timeOf(chance: Chance, { parts = ['hour'], format }: FieldOptions): string {
  if (format !== undefined) return `${1_761_950_000 + chance.below(1e6)}${format === 'seconds' ? '' : '123'}`;
  const times = [
    '2026-11-01T18:05:00+01:00',
    '2026-11-02 09:30',
    '2026-03-29T02:30:00',
    '2026-11-03T23:59:59Z',
    '2024-02-29T00:00:00.250-05:30',
    '2026-10-25T00:30Z',
    '2026-07-31T22:15Z',
  ];
  return chance.pick(parts.includes('hour') ? times : [...times, '20261101', '2026-11-02', '2024-02-29']);
}
