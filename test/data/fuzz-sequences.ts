import type { Chance, FieldOptions, GroupOptions } from './fuzz-case.js';
import type { Cell, Format } from './fuzz-files.js';

// Sequences of the fuzz test: lists of items that a user visited, their towns, prices and times.

/** Columns of sequences: lists that are aligned, and the time of the row. */
export const SEQUENCE_COLUMNS = ['visited', 'town', 'paid', 'left', 'tags', 'now'] as const;
type SequenceColumn = (typeof SEQUENCE_COLUMNS)[number];

/** Types of Parquet lists. */
export const LIST_TYPES = { visited: 'INT32', town: 'BYTE_ARRAY', paid: 'DOUBLE', left: 'INT64' } as const;

/** Column with a list of values per item. */
export const NESTED_COLUMN = 'tags';

/** An entry of a sequence, as in a config. */
export interface SequenceEntry {
  readonly name: string;
  readonly target?: string;
  readonly scaling?: string | readonly string[];
  readonly as?: 'age';
  readonly until?: string;
  readonly buckets?: 'log';
  readonly encoding?: FieldOptions['encoding'];
  readonly pooling?: 'mean' | 'sum';
}

/** Options of a sequence, as in a config. */
export interface SequenceOptions {
  readonly name?: string;
  readonly aligned?: boolean;
  readonly order?: { readonly newest: 'first' | 'last' } | { readonly by: string };
  readonly keep?: { readonly last: number; readonly matching?: string } | { readonly heaviest: number };
}

/** Fields of other groups that items can be compared with. */
interface Targets {
  readonly hasItem: boolean;
  readonly hasCity: boolean;
}

/** Chooses a sequence. */
export function chooseSequence(chance: Chance, targets: Targets, cleaning: FieldOptions): GroupOptions | false {
  if (chance(0.4)) return false;
  const isAligned = chance(0.75);
  const times: SequenceEntry = {
    name: 'left',
    as: 'age',
    until: 'now',
    ...(chance(0.5) ? { buckets: 'log' } : chance(0.5) && { scaling: chance.pick(['none', 'standard', 'min-max']) }),
  };
  const ids: SequenceEntry = targets.hasItem
    ? { name: 'visited', target: 'item' }
    : { name: 'visited', encoding: chance.pick(['ids', 'auto', { name: 'ids', sizes: { visited: 60 } }]) };
  const texts: SequenceEntry =
    targets.hasCity && chance(0.6)
      ? { name: 'town', target: 'city' }
      : {
          name: 'town',
          encoding: chance.pick(['tokens', { name: 'tokens', minCount: 2 }, { name: 'hash', buckets: 9 }]),
        };
  const numbers: SequenceEntry = { name: 'paid', scaling: chance.pick([['log1p'], ['log1p', 'standard'], ['none']]) };
  const nested: SequenceEntry = {
    name: NESTED_COLUMN,
    pooling: chance.pick(['mean', 'sum']),
    ...(targets.hasCity && chance(0.5)
      ? { target: 'city' }
      : { encoding: chance.pick(['tokens', { name: 'tokens', minCount: 3 }, { name: 'hash', buckets: 9 }]) }),
  };
  const all = [ids, texts, ...(isAligned ? [numbers, times, nested] : [])].filter(() => chance(0.75));
  const fields = all.length > 0 ? all : [ids];
  const sorted = chance(0.3) ? [...fields].reverse() : fields;
  return {
    type: 'sequence',
    fields: sorted,
    name: 'trips',
    ...(!isAligned && { aligned: false }),
    ...(isAligned && fields.includes(times) && chance(0.5)
      ? { order: { by: 'left' } }
      : chance(0.6) && { order: { newest: chance.pick(['first', 'last']) } }),
    ...(chance(0.6) && { keep: { [isAligned || chance(0.5) ? 'last' : 'heaviest']: 1 + chance.below(4) } }),
    ...(chance(0.2) && { separators: { items: ';', weight: '=', values: '/' } }),
    ...(chance(0.2) && { format: chance.pick(['separated', 'auto', 'json']) }),
    encoder: 'pooling',
    ...cleaning,
  } as unknown as GroupOptions;
}

/** Lets some sequences keep the items that equal the value of a target only, which they clean like it. */
export function matchSome(chance: Chance, groups: readonly GroupOptions[]): readonly GroupOptions[] {
  return groups.map((group) => {
    const { aligned = true, keep = { last: 50 } } = group as SequenceOptions;
    if (group.type !== 'sequence' || !aligned || !('last' in keep)) return group;
    const entries = group.fields as readonly SequenceEntry[];
    const { name, target } = entries.find((entry) => entry.target !== undefined) ?? {};
    const owner = groups.find(({ fields }) => fields.includes(target as never));
    if (name === undefined || owner === undefined || chance(0.4)) return group;
    const { nullValues, trim } = owner as FieldOptions;
    return { ...group, nullValues, trim, keep: { ...keep, matching: name } } as GroupOptions;
  });
}

/** How the lists of a row are written. */
interface Writing {
  readonly chance: Chance;
  readonly format: Format;
  readonly hasDirt: boolean;
  /** Options of the sequence. */
  readonly options: FieldOptions & SequenceOptions;
}

/** Creates the values of a row: lists of one length, unless they are dirty. */
export function sequenceCells(writing: Writing): Readonly<Record<SequenceColumn, Cell>> {
  const { chance, hasDirt, format } = writing;
  const isDirty = hasDirt && chance(0.1);
  const now = 1_700_000_000 + chance.below(5);
  // A dialect without quotes may replace a value by one item.
  const length = format.quote === 'none' ? 1 : chance(0.15) ? 0 : chance.below(6);
  // Text cannot have one missing item alone.
  const missing = length === 1 && !format.hasLists ? 0 : 0.1;
  const listed = <Item>(create: () => Item, share = missing): readonly (Item | null)[] =>
    Array.from({ length: isDirty && chance(0.3) ? length + 1 : length }, () => (chance(share) ? null : create()));
  const visited = listed(() => (isDirty && chance(0.2) ? 7e5 : 1 + chance.below(30)));
  const town = listed(() => chance.pick(['a', 'b', 'Berlin', '7', '?', 'NA', 'e']));
  const paid = listed(() => (isDirty && chance(0.3) ? -2 : chance.below(40) / 4), isDirty ? 0.2 : 0);
  const tags = listed(() =>
    Array.from({ length: Math.max(chance.below(4), format.hasLists || length > 1 ? 0 : 1) }, () =>
      isDirty && chance(0.1) ? '' : chance.pick(['p', 'q', '7', '?', 'NA', 'Berlin', 'b c']),
    ),
  );
  const left = listed(() => now + 2 - chance.below(9), isDirty ? 0.2 : 0);
  return {
    visited: listOf(visited, writing, isDirty),
    town: listOf(town, writing, isDirty),
    paid: listOf(paid, writing, isDirty),
    left: listOf(left, writing, isDirty),
    tags: nestedListOf(tags, writing, isDirty),
    now: isDirty && chance(0.2) ? chance.pick(['', 'soon']) : isoOf(now, writing),
  };
}

/** Writes the time of a row in seconds, or as a date. */
function isoOf(seconds: number, { chance }: Writing): string {
  return chance(0.3) ? new Date(seconds * 1000).toISOString().replace('.000', '') : String(seconds);
}

/** Writes a list of lists. */
function nestedListOf(
  items: readonly (readonly string[] | null)[],
  { chance, format, options }: Writing,
  isDirty: boolean,
): Cell {
  if (items.length === 0 && chance(0.5)) return '';
  if (format.hasLists) return { json: JSON.stringify(items) };
  const isText = options.format === 'separated' || (options.format !== 'json' && chance(0.6));
  const { items: between = '|', values = ';' } = options.separators ?? {};
  if (isText) return items.map((item) => (item ?? []).join(values)).join(between);
  const list = JSON.stringify(isDirty && chance(0.2) ? items.flat() : items);
  return format.kind === 'jsonl' && chance(0.7) ? { json: list } : list;
}

function listOf(
  items: readonly (string | number | null)[],
  { chance, format, options }: Writing,
  isDirty: boolean,
): Cell {
  if (items.length === 0 && chance(0.5)) return '';
  if (format.hasLists) return { json: JSON.stringify(items) };
  const isText = options.format === 'separated' || (options.format !== 'json' && chance(0.6));
  const { items: between = '|', weight: colon = ':' } = options.separators ?? {};
  const weigh = options.aligned === false ? 0.5 : isDirty ? 0.1 : 0;
  const weighted = items.map((item) => [
    item,
    chance(weigh) ? (chance.below(isDirty ? 9 : 6) - (isDirty ? 2 : 0)) / 2 : 1,
  ]);
  if (isText)
    return weighted
      .map(([item, weight]) => (weight === 1 ? `${item ?? ''}` : `${item ?? ''}${colon}${weight}`))
      .join(between);
  const list = JSON.stringify(
    weighted.map(([item, weight]) => (weight !== 1 ? [item, weight] : chance(0.2) && item !== null ? `${item}` : item)),
  );
  return format.kind === 'jsonl' && chance(0.7) ? { json: list } : list;
}
