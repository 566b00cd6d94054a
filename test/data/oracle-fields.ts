import type { Cell } from './oracle.js';

// Features for the oracle (oracle.ts): how values are read, fitted and encoded, as docs/reference/features.md says.

/** Thrown for an invalid value. */
export class Bad extends Error {
  constructor(readonly column?: string) {
    super();
  }
}

/** Cleaning of values. */
export interface CellOptions {
  readonly nullValues?: readonly (string | number)[];
  readonly trim?: boolean;
  readonly decimal?: string;
}

interface EncodingOptions {
  readonly name: string;
  readonly minCount?: number;
  readonly buckets?: number;
  readonly seed?: number;
  readonly sizes?: Readonly<Record<string, number>>;
}

/** Options of a field, as in a config. */
export interface FieldOptions extends CellOptions {
  readonly width?: number;
  readonly encoding?: string | EncodingOptions;
  readonly table?: string;
  readonly fillMissing?: string | number;
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
  readonly separators?: { readonly items?: string; readonly weight?: string };
  readonly separator?: string;
  readonly length?: number;
  readonly buckets?: number;
  readonly seed?: number;
}

/** A feature group, as in a config. */
export interface GroupOptions extends FieldOptions {
  readonly type: string;
  readonly fields: readonly (string | readonly string[] | (FieldOptions & { readonly name: string }))[];
}

/** Values of a row for a field: one, the items of a bag, or the elements of a vector. */
export type Items = readonly (readonly [text: string, weight: number])[];
/** An id or number, the elements of a vector, or ids with weights. */
export type Value = number | readonly number[] | readonly (readonly number[])[];

/** A feature. */
export interface Field {
  readonly name: string;
  readonly columns: readonly string[];
  /** Field whose table it uses. */
  readonly owner: string;
  /** Throws Bad for values that do not fit the columns. */
  read(cells: readonly Cell[]): Items;
  /** Throws Bad for values that must not be learned from. */
  check(items: Items): void;
  /** Learns from all rows; returns false if there is nothing to learn from. */
  learn(rows: readonly Items[]): boolean;
  encode(items: Items): Value;
}

/** Maps single values to ids or numbers. */
interface Codec {
  /** Rows of the table. */
  rows(): number;
  /** Whether a missing value is learned as one more string. */
  readonly hasVocabulary?: boolean;
  check(text: string): void;
  learn(texts: readonly string[]): boolean;
  encode(text: string): number;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** Parses a decimal number in the range of a 32-bit float. */
export function toNumber(text: string): number {
  if (!NUMBER.test(text) || !Number.isFinite(Math.fround(Number(text)))) throw new Bad();
  return Number(text);
}

/** Returns the value of a decimal number of any size; undefined for other strings. */
export function numberOf(text: string): number | undefined {
  return NUMBER.test(text) ? Number(text) : undefined;
}

/** Replaces a decimal comma by a point. */
export function withPoint(text: string, decimal: string | undefined): string {
  if (decimal !== ',') return text;
  if (text.includes('.') && NUMBER.test(text.trim())) throw new Bad();
  const point = text.replace(',', '.');
  return NUMBER.test(point.trim()) ? point : text;
}

/** Returns the function that trims a value and empties null values. */
export function cleaner(...levels: readonly CellOptions[]): (text: string) => string {
  const trim = levels.reduce((isTrimmed, level) => level.trim ?? isTrimmed, false);
  const nulls = levels.flatMap(({ nullValues = [] }) => nullValues);
  return (text) => {
    const cell = trim ? text.trim() : text;
    const isNull = nulls.some((each) =>
      typeof each === 'string' ? each === cell : NUMBER.test(cell) && Number(cell) === each,
    );
    return isNull ? '' : cell;
  };
}

/** MurmurHash3_x86_32. */
export function murmur3(bytes: Uint8Array, seed: number): number {
  const scramble = (block: number): number => {
    const k = Math.imul(block, 0xcc9e2d51);
    return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  };
  let hash = seed;
  for (let i = 0; i < bytes.length; i += 4) {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(i, i + 4);
    hash ^= scramble(a | (b << 8) | (c << 16) | (d << 24));
    if (i + 4 <= bytes.length) hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  }
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Builds the fields of all groups. */
export function buildFields(groups: readonly GroupOptions[], data: CellOptions): readonly Field[] {
  const codecs = new Map<string, Codec>();
  return groups.flatMap(({ fields, ...group }) =>
    fields.flatMap((entry): readonly Field[] => {
      const own = typeof entry === 'object' && 'name' in entry ? entry : undefined;
      const column = typeof entry === 'string' ? entry : own === undefined ? '' : own.name;
      const options = { ...group, ...own };
      const clean = cleaner(data, group, own ?? {});
      const single = (name: string, codec: Codec, decimal?: string): Field =>
        singleField({ name, columns: [column], owner: options.table ?? name }, codec, codecs, (text) =>
          clean(withPoint(text, decimal)),
        );
      switch (group.type) {
        case 'categorical':
          return [single(column, withMissing(encodingOf(options.encoding, column), options.fillMissing))];
        case 'bag':
          return [bagField(column, options, codecs, clean)];
        case 'cross': {
          const columns = entry as readonly string[];
          const encoding = options.encoding ?? { name: 'hash', buckets: options.buckets!, seed: options.seed ?? 0 };
          const place = { name: columns.join('_X_'), columns, owner: columns.join('_X_') };
          return [singleField(place, encodingOf(encoding, place.name), codecs, clean)];
        }
        case 'numeric': {
          const indicator = single(
            `${column}_missing`,
            { ...numberCodec({ fillMissing: 0 }), encode: (text) => (text === '' ? 1 : 0 * toNumber(text)) },
            data.decimal,
          );
          return [
            single(column, numberCodec(options), data.decimal),
            ...(options.indicator === true ? [indicator] : []),
          ];
        }
        case 'bucketized':
          return [single(`${column}_bucketized`, withMissing(bucketCodec(options), options.fillMissing), data.decimal)];
        case 'piecewise-linear':
          return [single(`${column}_piecewise`, piecewiseCodec(options), data.decimal)];
        case 'date':
          return (options.parts ?? ['hour', 'weekday']).map((part) =>
            single(`${column}_${part}`, withMissing(dateCodec(part, options), options.fillMissing)),
          );
        default:
          return [vectorField(column, options, clean)];
      }
    }),
  );
}

function singleField(
  place: Pick<Field, 'name' | 'columns' | 'owner'>,
  own: Codec,
  codecs: Map<string, Codec>,
  clean: (text: string) => string,
): Field {
  codecs.set(place.name, own);
  const codec = (): Codec => codecs.get(place.owner)!;
  return {
    ...place,
    read(cells) {
      const texts = cells.map((cell) => {
        if (typeof cell !== 'string') throw new Bad();
        return clean(cell);
      });
      if (texts.length > 1 && texts.some((text) => text.includes('\u001f'))) throw new Bad();
      return [[texts.length > 1 && texts.includes('') ? '' : texts.join('\u001f'), 1]];
    },
    check: ([item]) => codec().check(item![0]),
    learn: (rows) => own.learn(rows.flat().map(([text]) => text)),
    encode: ([item]) => codec().encode(item![0]),
  };
}

/** The encoding of a field: values that are not UTF-8, which end with half of a surrogate pair, are invalid. */
function encodingOf(spec: FieldOptions['encoding'], column: string): Codec {
  const codec = plainEncodingOf(spec, column);
  const checked = (text: string): string => {
    if (/\p{Surrogate}/u.test(text)) throw new Bad();
    return text;
  };
  return {
    ...codec,
    check: (text) => codec.check(checked(text)),
    encode: (text) => codec.encode(checked(text)),
  };
}

function plainEncodingOf(spec: FieldOptions['encoding'] = 'ids', column: string): Codec {
  const { name, minCount = 1, buckets = 1, seed = 0, sizes = {} } = typeof spec === 'string' ? { name: spec } : spec;
  if (name === 'ids') return idCodec(sizes[column]);
  if (name === 'tokens') return tokenCodec(minCount);
  if (name === 'auto') return autoCodec();
  const encode = (text: string): number => (text === '' ? 0 : 1 + (murmur3(Buffer.from(text), seed) % buckets));
  return { rows: () => buckets + 1, check: encode, learn: () => true, encode };
}

function idCodec(given?: number): Codec {
  let size = given ?? 1;
  const parse = (text: string): number => {
    if (!/^\d+$/.test(text) || Number(text) >= 2 ** 31) throw new Bad();
    if (given !== undefined && Number(text) >= given) throw new Bad();
    return Number(text);
  };
  return {
    rows: () => size,
    check: parse,
    learn(texts) {
      size = given ?? 1 + Math.max(0, ...texts.map(parse));
      return true;
    },
    encode: (text) => (parse(text) < size ? Number(text) : 0),
  };
}

/** Most frequent first, then in string order. */
function tokenCodec(minCount: number): Codec {
  let vocabulary: readonly string[] = [];
  return {
    rows: () => vocabulary.length + 1,
    hasVocabulary: true,
    check: () => undefined,
    learn(texts) {
      const counts = new Map<string, number>();
      for (const text of texts) if (text !== '') counts.set(text, (counts.get(text) ?? 0) + 1);
      const frequent = [...counts].filter(([, count]) => count >= minCount);
      vocabulary = frequent.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([text]) => text);
      return true;
    },
    encode: (text) => vocabulary.indexOf(text) + 1,
  };
}

/** Ids if all strings are integers from 1 that cover half of their range. The string of missing values is none. */
function autoCodec(): Codec {
  const [ids, tokens] = [idCodec(), tokenCodec(1)];
  let chosen = tokens;
  return {
    rows: () => chosen.rows(),
    hasVocabulary: true,
    check: () => undefined,
    learn(texts) {
      const present = [...new Set(texts)].filter((text) => text !== '');
      const areIds = present.every((text) => /^[1-9]\d{0,9}$/.test(text) && Number(text) < 2 ** 31);
      chosen = areIds && present.length > 0 && present.length >= Math.max(...present.map(Number)) / 2 ? ids : tokens;
      return chosen.learn(chosen === ids ? present : texts);
    },
    encode: (text) =>
      chosen === ids && !/^\d+$/.test(text) ? 0 : chosen === ids && Number(text) >= 2 ** 31 ? 0 : chosen.encode(text),
  };
}

/** Adds the treatment of missing values: the out-of-vocabulary id, a separate row, or an error. */
function withMissing(codec: Codec, missing: FieldOptions['fillMissing']): Codec {
  if (missing === undefined) return codec;
  if (missing === 'token' && codec.hasVocabulary === true) {
    const named = (text: string): string => {
      if (text === '\u001f') throw new Bad();
      return text === '' ? '\u001f' : text;
    };
    return {
      ...codec,
      check: (text) => codec.check(named(text)),
      learn: (texts) => codec.learn(texts.map(named)),
      encode: (text) => codec.encode(named(text)),
    };
  }
  const fill = (): number => {
    if (missing === 'error') throw new Bad();
    return missing === 'token' ? codec.rows() : 0;
  };
  return {
    rows: () => codec.rows() + Number(missing === 'token'),
    check: (text) => (text === '' ? fill() : codec.check(text)),
    learn: (texts) => codec.learn(texts.filter((text) => text !== '')),
    encode: (text) => (text === '' ? fill() : codec.encode(text)),
  };
}

/** Scaling steps in order, of which one is fitted. */
function scalingOf(scaling: FieldOptions['scaling'] = 'none'): {
  readonly before: (value: number) => number;
  learn(values: readonly number[]): void;
  scale(value: number): number;
} {
  const steps = [scaling].flat().filter((step) => step !== 'none');
  const fittedAt = steps.findIndex((step) => step !== 'log1p');
  let [subtract, divide] = [0, 1];
  const apply = (value: number, some: readonly string[]): number =>
    some.reduce((scaled, step) => {
      if (step !== 'log1p') return (scaled - subtract) / divide;
      if (scaled <= -1) throw new Bad();
      return Math.log1p(scaled);
    }, value);
  const before = (value: number): number => apply(value, fittedAt < 0 ? steps : steps.slice(0, fittedAt));
  return {
    before,
    learn(values) {
      const all = values.map(before);
      const [least, largest] = [Math.min(...all), Math.max(...all)];
      const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
      const deviation = Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length);
      if (steps[fittedAt] === 'standard') [subtract, divide] = least === largest ? [least, 1] : [mean, deviation];
      if (steps[fittedAt] === 'min-max') [subtract, divide] = [least, largest - least || 1];
    },
    scale: (value) => apply(value, steps),
  };
}

function numberCodec({ scaling, fillMissing = 'error' }: FieldOptions): Codec {
  const { before, learn, scale } = scalingOf(scaling);
  const isFitted =
    fillMissing === 'mean' ||
    fillMissing === 'median' ||
    [scaling].flat().some((step) => step === 'standard' || step === 'min-max');
  let fill = typeof fillMissing === 'number' ? fillMissing : 0;
  return {
    rows: () => 0,
    check: (text) => (text === '' && fillMissing !== 'error' ? 0 : before(toNumber(text))),
    learn(texts) {
      const values = texts.filter((text) => text !== '').map(toNumber);
      if (values.length === 0) return !isFitted;
      learn(values);
      const sorted = [...values].sort((a, b) => a - b);
      if (fillMissing === 'mean') fill = values.reduce((sum, value) => sum + value, 0) / values.length;
      if (fillMissing === 'median')
        fill = (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.floor(sorted.length / 2)]!) / 2;
      return true;
    },
    encode: (text) => scale(text === '' && fillMissing !== 'error' ? fill : toNumber(text)),
  };
}

/** Lower bounds of buckets with sizes as equal as possible, except of the first. */
function quantilesOf(values: readonly number[], count: number): readonly number[] {
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  const candidates = distinct
    .slice(1)
    .map((value) => ({ value, below: values.filter((other) => other < value).length }));
  const nearest = Array.from({ length: count - 1 }, (_, i) => {
    const distances = candidates.map(({ below }) => Math.abs(below - ((i + 1) * values.length) / count));
    return candidates[distances.indexOf(Math.min(...distances))]?.value;
  });
  return [...new Set(nearest)].filter((value) => value !== undefined);
}

function bucketCodec({ boundaries, quantiles = 0 }: FieldOptions): Codec {
  let limits = boundaries ?? [];
  return {
    rows: () => limits.length + 2,
    check: (text) => (text === '' ? 0 : toNumber(text)),
    learn(texts) {
      limits = boundaries ?? quantilesOf(texts.filter((text) => text !== '').map(toNumber), quantiles);
      return true;
    },
    encode: (text) => (text === '' ? 0 : 1 + limits.filter((limit) => limit <= toNumber(text)).length),
  };
}

function piecewiseCodec({ bins = 32, fillMissing }: FieldOptions): Codec {
  let knots: readonly number[] = [];
  const check = (text: string): number => (text === '' && fillMissing !== 'error' ? 0 : toNumber(text));
  return {
    rows: () => knots.length + 1,
    check,
    learn(texts) {
      const values = texts.filter((text) => text !== '').map(toNumber);
      knots = [...new Set([Math.min(...values), ...quantilesOf(values, bins), Math.max(...values)])];
      return values.length > 0;
    },
    encode(text) {
      const value = check(text);
      if (text === '') return 0;
      const at = knots.filter((knot) => knot <= value).length;
      if (at === 0) return 1;
      return at === knots.length ? at : at + (value - knots[at - 1]!) / (knots[at]! - knots[at - 1]!);
    },
  };
}

const TIME = /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/;

function dateCodec(part: string, { format = 'iso', timeZone = 'UTC' }: FieldOptions): Codec {
  const encode = (text: string): number => {
    if (text === '') return 0;
    const [, year, month, day, hour, minute = '0', second = '0', zone] =
      format === 'iso' ? (TIME.exec(text) ?? []) : [];
    if (format === 'iso' && year === undefined) throw new Bad();
    const isLocal = format === 'iso' && zone === undefined;
    const midnight = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
    const exists = new Date(midnight).getUTCDate() === Number(day);
    if (format === 'iso' && (Number.isNaN(midnight) || !exists)) throw new Bad();
    const written = midnight + ((Number(hour ?? 0) * 60 + Number(minute)) * 60 + Number(second)) * 1000;
    if (format === 'iso' && (Number(hour ?? 0) > 23 || Number(minute) > 59)) throw new Bad();
    const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(zone ?? '') ?? [];
    const offset = sign === undefined ? 0 : Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * 60_000;
    const instant = format === 'iso' ? written - offset : toNumber(text) * (format === 'seconds' ? 1000 : 1);
    const local = new Date(isLocal ? written : instant + zoneOffset(instant, timeZone));
    if (part === 'hour' && format === 'iso' && hour === undefined) throw new Bad();
    if (part === 'hour') return 1 + local.getUTCHours();
    if (part === 'weekday') return 1 + ((local.getUTCDay() + 6) % 7);
    return part === 'day' ? local.getUTCDate() : 1 + local.getUTCMonth();
  };
  return {
    rows: () => 1 + { hour: 24, weekday: 7, day: 31, month: 12 }[part]!,
    check: encode,
    learn: () => true,
    encode,
  };
}

/** Milliseconds that a zone is ahead of UTC. */
function zoneOffset(instant: number, timeZone: string): number {
  if (timeZone === 'UTC') return 0;
  const [, sign, hours] = /^([+-])(\d\d):00$/.exec(timeZone) ?? [];
  if (sign !== undefined) return Number(`${sign}${hours}`) * 3_600_000;
  const clock = new Date(instant).toLocaleString('sv-SE', { timeZone });
  return Date.parse(`${clock.replace(' ', 'T')}Z`) - Math.floor(instant / 1000) * 1000;
}

function bagField(
  name: string,
  options: FieldOptions,
  codecs: Map<string, Codec>,
  clean: (text: string) => string,
): Field {
  const { separators = {}, format = 'auto', pooling = 'mean', maxItems = Infinity, table } = options;
  const { items: between = '|', weight: colon = ':' } = separators;
  const own = withMissing(encodingOf(options.encoding, name), undefined);
  if (table === undefined) codecs.set(name, own);
  const codec = (): Codec => codecs.get(table ?? name)!;
  const separated = (text: string): Items =>
    text.split(between).flatMap((written): Items => {
      const item = clean(written);
      if (item === '' && written !== '') return [];
      const at = item.lastIndexOf(colon);
      const id = at < 0 ? item : item.slice(0, at);
      if (id === '') throw new Bad();
      return [[id, at < 0 ? 1 : toNumber(item.slice(at + 1))]];
    });
  const parse = (cell: Cell): Items => {
    if (typeof cell !== 'string') return jsonItems(cell.list)!;
    const text = clean(cell);
    const listed = format !== 'separated' && /^\[[^]*\]$/.test(text) ? jsonItems(text) : undefined;
    if (listed !== undefined) return listed;
    if (format === 'json' && text !== '') throw new Bad();
    return text === '' ? [] : separated(text);
  };
  return {
    name,
    columns: [name],
    owner: table ?? name,
    read([cell]) {
      // Null values are not items.
      const items = parse(cell!).filter(([id]) => id === '' || clean(id) !== '');
      for (const [id, weight] of items)
        if (id === '' || !Number.isFinite(Math.fround(weight)) || (weight < 0 && pooling === 'mean')) throw new Bad();
      // The largest weights, the first among equals.
      const byWeight = items.map((_, i) => i).sort((a, b) => items[b]![1] - items[a]![1] || a - b);
      const kept = new Set(byWeight.slice(0, maxItems));
      return items.filter((_, i) => kept.has(i)).map(([id, weight]) => [clean(id), weight] as const);
    },
    check: (items) => {
      for (const [id] of items) codec().check(id);
    },
    learn: (rows) => own.learn(rows.flat().map(([id]) => id)),
    encode: (items) => items.map(([id, weight]) => [codec().encode(id), Math.fround(weight)]),
  };
}

interface Pair {
  readonly id?: unknown;
  readonly weight?: unknown;
}

/** Parses a JSON list of ids, pairs or objects; undefined if it is not JSON. */
function jsonItems(text: string): Items | undefined {
  let list: unknown[];
  try {
    list = JSON.parse(text) as unknown[];
  } catch {
    if (text.startsWith("['")) throw new Bad();
    return undefined;
  }
  return list.map((item) => {
    if (Array.isArray(item) && item.length !== 2) throw new Bad();
    const isWhole = typeof item !== 'object' || item === null;
    const pair = (Array.isArray(item) ? { id: item[0], weight: item[1] } : isWhole ? { id: item } : item) as Pair;
    const { id, weight = 1 } = pair;
    if (typeof id !== 'string' && !Number.isSafeInteger(id)) throw new Bad();
    return [String(id), typeof weight === 'number' ? weight : NaN] as const;
  });
}

function vectorField(name: string, options: FieldOptions, clean: (text: string) => string): Field {
  const { length: given, fillMissing: missing = 'error', indicator = false, separator = '|', scaling } = options;
  let length = given;
  let elements: {
    readonly before: (value: number) => number;
    readonly learn: (values: readonly number[]) => void;
    readonly scale: (value: number) => number;
    fill: number;
  }[] = [];
  const start = (): void =>
    void (elements = Array.from({ length: length! }, () => ({ ...scalingOf(scaling), fill: 0 })));
  if (length !== undefined) start();
  const valuesOf = (items: Items): readonly number[] => {
    if (items.length === 0 && missing === 'error') throw new Bad();
    const values = items.map(([text]) => Math.fround(toNumber(text)));
    if (values.length > 0 && values.length !== (length ??= values.length)) throw new Bad();
    return values;
  };
  return {
    name,
    columns: [name],
    owner: name,
    read([cell]) {
      const text = clean(typeof cell === 'string' ? cell : cell!.list);
      const inner = /^\[([^]*)\]$/.exec(text)?.[1]!.trim();
      const parts =
        (inner ?? text) === ''
          ? []
          : inner === undefined
            ? text.split(separator)
            : inner.split(inner.includes(',') ? ',' : /\s+/);
      return parts.map((part) => {
        toNumber(part.trim());
        return [part.trim(), 1] as const;
      });
    },
    check(items) {
      const { before } = scalingOf(scaling);
      for (const value of valuesOf(items)) before(value);
    },
    learn(rows) {
      const vectors = rows.map(valuesOf).filter((values) => values.length > 0);
      const isFitted =
        given === undefined ||
        missing === 'mean' ||
        [scaling].flat().some((step) => step === 'standard' || step === 'min-max');
      if (vectors.length === 0) return !isFitted;
      start();
      for (const [i, element] of elements.entries()) {
        const values = vectors.map((vector) => vector[i]!);
        element.learn(values);
        if (missing === 'mean') element.fill = values.reduce((sum, value) => sum + value, 0) / values.length;
      }
      return true;
    },
    encode(items) {
      const values = valuesOf(items);
      const scaled = elements.map(({ scale, fill }, i) => scale(values.length === 0 ? fill : values[i]!));
      return indicator ? [...scaled, Number(values.length === 0)] : scaled;
    },
  };
}
