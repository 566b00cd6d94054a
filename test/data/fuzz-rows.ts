import type { Cell, Chance, FieldOptions, FuzzCase, Item, Row } from './fuzz-case.js';
import type { Format } from './fuzz-files.js';

// Random rows of the fuzz test. At most one column of a row is invalid, so that any order of checks finds it.

/** What rows depend on. */
export interface RowContext extends Pick<FuzzCase, 'groups' | 'tasks' | 'format'> {
  readonly chance: Chance;
  readonly hasDirt: boolean;
}

/** All columns of a table. */
// prettier-ignore
export const COLUMNS = [
  'click', 'buy', 'pay', 'like', 'spend', 'play', 'w', 'user.id', 'city', 'brand', 'item', 'shop', 'price', 'age',
  'seen', 'liked', 'look', 'at', 'ds', 'note', 'teach', 'visited', 'town', 'paid', 'left', 'tags', 'now',
];
const DECIMALS = ['spend', 'play', 'w', 'price', 'age', 'click', 'teach'];
const SEQUENCE = ['visited', 'town', 'paid', 'left', 'tags', 'now'];
/** Stands for a byte that is not UTF-8. */
export const NOT_UTF8 = '\udfff';
// prettier-ignore
const TEXTS = [
  'a', 'b', 'Berlin', 'w 1', 'a,b', 'x;y', '7', '3', '12', '007', '7.0', '?', 'NA', '-1', ' lead', 'trail ', '"q"',
  "it's", '#c', 'l1\nl2', 'l1\r\nl2', 'l1\rl2', 'null', '[x', 'a|b', 'a:b', '\t', 'K\u00f6ln', '\u00ff',
  '\u6771\u4eac', '\u{1f600}', '\ue000', '\u2028', 'a"b', '::', '\u001f',
];
const NUMBER_TEXTS = ['0', '1', '2.5', '3', '7.50', '1e1', '.5', '5.', '+4', '10', '12.25', '0.1', '1e-3', '007', '7'];
// prettier-ignore
const WRONG_TEXTS = [
  'abc', '', '-5', '1.5', '1,5', '99999999999', '1e99', '--1', '0x10', 'NaN', ' 5', '-1 ', ' -1', '-1.0', '0x7',
  '1.500', '2', '70',
];
const TIMES = [
  '2026-11-01T18:05:00+01:00',
  '2026-11-02 09:30',
  '2026-03-29T02:30:00',
  '2026-11-03T23:59:59Z',
  '2024-02-29T00:00:00.250-05:30',
  '2026-10-25T00:30Z',
  '2026-07-31T22:15Z',
];
const DAYS = ['20261101', '2026-11-02', '2024-02-29'];

/** Creates a row; the first of a file is valid. Required columns have values. */
export function createRow(context: RowContext, required: ReadonlySet<string>, isFirst: boolean): Row {
  const { chance, tasks, format, hasDirt } = context;
  const dirty = hasDirt && !isFirst && chance(0.35) ? chance.pick([...COLUMNS, 'funnel', 'funnel']) : '';
  const cells: Record<string, Cell> = Object.fromEntries(
    COLUMNS.filter((name) => !SEQUENCE.includes(name)).map((name) => {
      if (name === dirty) return [name, createDirt(name, context)];
      const isMissing = !isFirst && !required.has(name) && chance(0.12);
      return [name, isMissing ? { text: '' } : createCell(name, context)];
    }),
  );
  if (!isFirst && dirty === '' && chance(0.02)) cells['look'] = createVector(context, 2);
  Object.assign(cells, createSequence(context, dirty));
  const label = (name: string, text: string): void => {
    if (name !== dirty) cells[name] = { text };
  };
  if (!isFirst && 'onMissing' in tasks['ctr']! && chance(0.1)) label('click', '');
  const { click, buy } = cells;
  if (click!.text !== '1' && buy!.text === '1' && dirty !== 'funnel') label('buy', '0');
  const mayMiss = dirty === 'funnel' || 'onMissing' in (tasks['cvr'] ?? {});
  if (click!.text === '0' ? chance(0.3) && dirty !== 'funnel' : mayMiss && !isFirst && chance(0.2)) label('buy', '');
  for (const name of ['click', 'buy', 'w', 'price', 'play']) {
    const { text, raw } = cells[name]!;
    if (format.kind === 'jsonl' && raw === undefined && (text === '0' || text === '1') && chance(0.1))
      cells[name] = { text, raw: String(text === '1') };
  }
  return Object.fromEntries(Object.entries(cells).map(([name, cell]) => [name, expressible(cell, name, context)]));
}

/** Columns whose missing values are invalid, for most features and labels. */
export function requiredColumns({ groups, tasks, format }: RowContext): ReadonlySet<string> {
  const isIds = (encoding: FieldOptions['encoding'] = 'ids'): boolean => JSON.stringify(encoding).includes('"ids"');
  const names = groups.flatMap(({ type, fields, ...options }) => {
    const { table, fillMissing, encoding } = options as FieldOptions;
    const isStrict =
      type === 'numeric' || type === 'vector' || (type === 'categorical' && table === undefined && isIds(encoding));
    return fillMissing === 'error' || (isStrict && fillMissing === undefined) ? fields.map(({ name }) => name) : [];
  });
  const amount = 'onMissing' in (tasks['spend'] ?? {}) ? [] : ['spend'];
  const play = typeof tasks['ctr']!['label'] === 'object' && !('onMissing' in tasks['ctr']!) ? ['play'] : [];
  return new Set([
    'click',
    'buy',
    'w',
    ...amount,
    ...play,
    ...names,
    ...(names.includes('item') ? ['shop'] : []),
    ...(format.hasLists ? ['seen'] : []),
  ]);
}

/** Replaces a value that the dialect cannot express. */
function expressible(cell: Cell, name: string, context: RowContext): Cell {
  const { quote, delimiter, comments, kind } = context.format;
  const written = cell.raw ?? cell.text;
  const isSpecial = /[\r\n]/.test(written) || Array.from(delimiter).some((each) => written.includes(each));
  const isComment = comments !== undefined && written.startsWith(comments);
  if (quote !== 'none' || kind !== 'csv' || (!isSpecial && !isComment)) return cell;
  const isJson = optionsOf(context, name).format === 'json';
  if (name === 'look')
    return {
      text: '[0 1 2]',
      items: [
        ['0', 1],
        ['1', 1],
        ['2', 1],
      ],
    };
  if (name === 'tags') return { text: isJson ? '[["0"]]' : '0', items: [['["0"]', 1]] };
  if (cell.items !== undefined) return { text: isJson ? '[0]' : '0', items: [['0', 1]] };
  return { text: { at: '2026-11-01T18:05', ds: '2026-11-02' }[name] ?? '0' };
}

/** Picks a string that the encoding of the format has. */
function pickText({ chance, format }: RowContext, count: number): string {
  const text = chance.pick(TEXTS.slice(0, count));
  return format.encoding === 'latin1' && /[^\u0000-\u00ff]/.test(text) ? 'latin' : text;
}

/** Creates a number with the decimal separator of the format. */
function decimalCell(name: string, text: string, { decimal }: Format): Cell {
  if (decimal !== ',' || !DECIMALS.includes(name)) return { text };
  return { text: text.replace(',', '.'), raw: text.replace('.', ',') };
}

const optionsOf = ({ groups }: RowContext, field: string): FieldOptions =>
  groups.find(({ fields }) =>
    fields.some((each) => each.name === field || ('history' in each && each.history === field)),
  ) ?? {};

function createCell(name: string, context: RowContext): Cell {
  const { chance, format } = context;
  const number = (): string => (chance(0.4) ? chance.pick(NUMBER_TEXTS) : String(chance.below(80) / 4));
  const list = (create: () => string): Cell => {
    const { pooling } = optionsOf(context, name);
    const weight = (): number =>
      chance(0.6) || format.hasLists ? 1 : (chance.below(9) - (pooling === 'sum' ? 2 : 0)) / 2;
    return createList(
      name,
      Array.from({ length: chance.below(5) }, () => [create(), weight()]),
      context,
    );
  };
  const texts =
    (...some: readonly string[]) =>
    (): Cell =>
      decimalCell(name, chance.pick(some), format);
  const text = (): Cell => ({ text: pickText(context, chance.pick([4, 12, TEXTS.length])) });
  const id = (): Cell => ({ text: chance(0.05) ? '007' : String(1 + chance.below(chance.pick([6, 40]))) });
  const creators: Readonly<Record<string, () => Cell>> = {
    click: texts('0', '0', '1', '0', '0', '1', '0', '0', '1', chance.pick(['1.0', '00', '1e0', '0', '1'])),
    buy: texts('0', '0', '1'),
    pay: texts('0', '0', '1'),
    like: texts('1', '0', 'true', 'False', ''),
    teach: texts('0', '1', '.5', '1e-9', '0.875', '1.0'),
    w: texts('0.5', '1', '2', '0'),
    'user.id': texts('u1', 'u2', '\u00fc3', '7', '8', '007', '9007199254740993', String(chance.below(30))),
    city: text,
    brand: text,
    note: text,
    item: id,
    shop: id,
    age: () => decimalCell(name, chance(0.1) ? '-0.5' : number(), format),
    seen: () => list(() => pickText(context, 12).replace(/[|:";=]/g, '_') || 'e'),
    liked: () => list(() => String(1 + chance.below(12))),
    look: () => createVector(context, 3),
    at: () => ({ text: createTime(context) }),
    ds: () => ({ text: `2026-11-0${1 + chance.below(6)}` }),
  };
  return creators[name]?.() ?? decimalCell(name, number(), format);
}

function createVector({ chance, format }: RowContext, length: number): Cell {
  const numbers = Array.from({ length }, () => chance.pick(['0.5', '0.25', '-0.5', '1', '0', '1e-2', '3']));
  const items = numbers.map((text): Item => [text, 1]);
  const list = `[${numbers.join(', ')}]`;
  if (format.hasLists) return { text: JSON.stringify(numbers.map(Number)), items };
  if (format.kind === 'jsonl' && chance(0.5)) return { text: list, raw: list, items };
  return { text: chance.pick([numbers.join('|'), list, `[${numbers.join('  ')}]`]), items };
}

function createTime(context: RowContext): string {
  const { chance } = context;
  const { parts = ['hour'], format } = optionsOf(context, 'at');
  if (format !== undefined) return `${1_761_950_000 + chance.below(1e6)}${format === 'seconds' ? '' : '123'}`;
  return chance.pick(parts.includes('hour') ? TIMES : [...TIMES, ...DAYS]);
}

/** Writes a list as text, JSON or a Parquet list. An empty item is missing; one of `tags` is a JSON list of values. */
function createList(name: string, items: readonly Item[], { chance, format, ...context }: RowContext): Cell {
  const {
    format: form,
    separators,
    aligned,
  } = optionsOf({ chance, format, ...context }, name) as FieldOptions & { aligned?: boolean };
  const { items: between, weight: colon, values = ';' } = separators ?? { items: '|', weight: ':' };
  const isNumber = ['visited', 'paid', 'left'].includes(name) || (name === 'liked' && format.hasLists);
  const isNested = name === 'tags';
  const isSequence = SEQUENCE.includes(name);
  if (items.length === 0 && (isSequence || !format.hasLists) && chance(0.5)) return { text: '', items };
  const value = (id: string): unknown => {
    if (isNested) return JSON.parse(id || 'null');
    if (isSequence && id === '') return null;
    return isNumber || (!format.hasLists && /^[1-9]\d{0,9}$/.test(id) && chance(0.7)) ? Number(id) : id;
  };
  if (format.hasLists) return { text: JSON.stringify(items.map(([id]) => value(id))), items };
  const isText = form === 'separated' || (form !== 'json' && chance(0.6));
  if (isText) {
    const written = items.map(([id, weight]) => {
      if (isNested) return (JSON.parse(id || '[]') as string[]).join(values);
      return weight === 1 && (isSequence || chance(0.8)) ? id : `${id}${colon}${weight}`;
    });
    // Aligned items have no weights.
    const read = isSequence && aligned !== false && !isNested ? items.map((_, i): Item => [written[i]!, 1]) : items;
    return { text: written.join(between), items: read };
  }
  const style = isSequence ? 0 : chance.below(3);
  const json = items.map(([id, weight]) => {
    if (style === 1) return weight === 1 ? { id: value(id) } : { weight, id: value(id) };
    return style === 2 || weight !== 1 ? [value(id), weight] : value(id);
  });
  const text = chance(0.5) ? JSON.stringify(json) : `[${json.map((item) => JSON.stringify(item)).join(' , ')}]`;
  return { text, ...(format.kind === 'jsonl' && chance(0.7) && { raw: text }), items };
}

/** Creates aligned lists: ids, texts, prices, times, lists of texts, and the time of the row. */
function createSequence(context: RowContext, dirty: string): Record<string, Cell> {
  const { chance, format, groups, hasDirt } = context;
  const { aligned = true } = (groups.find(({ type }) => type === 'sequence') ?? {}) as { aligned?: boolean };
  const now = 1_700_000_000 + chance.below(5);
  // Without later items, a chunk may read all items but those of the same time.
  const latest = now + (hasDirt ? 2 : 0);
  // A dialect without quotes may replace a value by one item.
  const length = format.quote === 'none' ? 1 : chance(0.15) ? 0 : chance.below(6);
  // Text cannot have one missing item alone.
  const missing = length === 1 && !format.hasLists ? 0 : aligned ? 0.1 : 0.02;
  const problem = SEQUENCE.includes(dirty) ? chance.pick(['length', 'weight', 'item', 'item']) : '';
  const list = (name: string, create: () => string, wrong: string, share = 0): Cell => {
    const isDirty = name === dirty;
    const count = length + Number(isDirty && problem === 'length');
    const items = Array.from({ length: count }, (_, i): Item => {
      const isWrong = isDirty && problem === 'item' && i === 0;
      const isWeighted =
        !format.hasLists && name !== 'tags' && (isDirty ? problem === 'weight' : !aligned && chance(0.5));
      const weight = isWeighted ? (chance.below(6) - (isDirty ? 2 : 0)) / 2 : 1;
      return [isWrong ? wrong : chance(share) ? '' : create(), weight];
    });
    return createList(name, items, context);
  };
  const tag = (): string => chance.pick(['p', 'q', '7', '?', 'NA', 'Berlin', 'b c']);
  const tags = (): string =>
    JSON.stringify(Array.from({ length: Math.max(chance.below(4), format.hasLists || length > 1 ? 0 : 1) }, tag));
  const wrongNow = chance.pick(['', 'soon']);
  const rightNow = chance(0.3) ? new Date(now * 1000).toISOString().replace('.000', '') : String(now);
  return {
    visited: list('visited', () => String(1 + chance.below(30)), '700000', missing),
    town: list('town', () => chance.pick(['a', 'b', 'Berlin', '7', '?', 'NA', 'e']), 'x', missing),
    paid: list('paid', () => String(chance.below(40) / 4), chance.pick(['-2', format.hasLists ? '-1' : ''])),
    left: list('left', () => String(latest - chance.below(9)), format.hasLists ? '0' : 'late'),
    tags: list('tags', tags, '["p",""]', missing),
    now: { text: dirty === 'now' ? wrongNow : rightNow },
  };
}

/** Creates a value that is invalid for most uses of its column. */
function createDirt(name: string, context: RowContext): Cell {
  const { chance, format } = context;
  const bad = (...texts: readonly string[]): Cell => ({ text: chance.pick(texts), items: [], isBad: true });
  if (format.hasLists && ['seen', 'liked', 'look'].includes(name)) return createCell(name, context);
  if (name === 'seen' || name === 'liked') {
    const { format: form, separators } = optionsOf(context, name);
    const { items: between, weight: colon } = separators ?? { items: '|', weight: ':' };
    const list = bad('[1.5]', '[null]', '[["a"]]', '[["a","b"]]', '[{"ix":1}]', '["a",[]]', '[["a",1e99]]');
    if (form === 'separated') return bad(`a${colon}`, `${colon}2`, `a${between}${between}b`, `a${colon}x`);
    if (format.kind === 'jsonl' && chance(0.3)) return { ...list, raw: list.text };
    if (chance(0.3)) return list;
    if (form === 'json') return bad('a', '[a', "['a']");
    if (chance(0.2)) return { text: `3${colon}-1`, items: [['3', -1]] };
    return bad(`a${colon}`, `${colon}2`, `a${between}${between}b`, `a${colon}x`, "['a']");
  }
  if (name === 'look')
    return chance(0.5)
      ? bad('1|x|2', '1||2', 'x')
      : chance(0.5)
        ? { text: '', items: [] }
        : createVector(context, 2 + 2 * chance.below(2));
  if (name === 'at') return bad('2026-02-30', '2026-13-01', 'soon', '2026-11-01T25:00');
  const isUtf8 = format.kind === 'parquet' || format.encoding !== undefined;
  if ((name === 'city' || name === 'brand') && !isUtf8 && chance(0.4)) return { text: `a${NOT_UTF8}` };
  if (['ds', 'user.id', 'city'].includes(name))
    return { text: chance.pick(['', 'x', pickText(context, TEXTS.length)]) };
  const hasLists = ['play', 'price', 'age', 'spend', 'item', 'shop'].includes(name);
  if (format.kind === 'jsonl' && hasLists && chance(0.2)) return { text: '[1, 2]', raw: '[1, 2]', isBad: true };
  // A number with a dot if decimals have commas.
  if (format.decimal === ',' && DECIMALS.includes(name) && name !== 'click' && chance(0.2))
    return { text: '1.5', isBad: true };
  return decimalCell(name, chance.pick(WRONG_TEXTS), format);
}
