import { readDate } from '../text/dates.js';
import { collectItems, splitItems, type ListNotation } from './list-items.js';
import type { Column } from './read-columns.js';

/** Common markers of missing values, in lower case. */
const BLANKS = ['na', 'n/a', '#n/a', 'nan', 'null', 'none', '\\n', '?', '-', 'unknown'];
/** Pairs of negative and positive values. */
const TRUTHS: readonly (readonly [string, string])[] = [
  ['0', '1'],
  ['0.0', '1.0'],
  ['no', 'yes'],
  ['n', 'y'],
  ['false', 'true'],
  ['f', 't'],
];

/** The kind of values of a column. */
export type ColumnKind =
  | { readonly is: 'truth'; readonly yes: string }
  | { readonly is: 'constant' }
  | { readonly is: 'key' }
  | { readonly is: 'text' }
  | { readonly is: 'python-list' }
  | { readonly is: 'time'; readonly format: 'iso' | 'seconds' | 'milliseconds'; readonly hasHours: boolean }
  | { readonly is: 'day' }
  | (ListNotation & { readonly is: 'list'; readonly length: number })
  | { readonly is: 'numbers'; readonly separator: string | undefined }
  | { readonly is: 'number'; readonly hasComma: boolean; readonly isSkewed: boolean }
  | { readonly is: 'id' };

/** A column and its kind. */
export interface InspectedColumn {
  readonly column: Column;
  readonly kind: ColumnKind;
  /** Share of rows without a value. */
  readonly blanks: number;
  /** Markers of missing values that it contains. */
  readonly blankWords: readonly string[];
  /** Number of distinct values; of lists, of distinct items. */
  readonly different: number;
}

/** Returns whether a value of a column is missing: empty, or a marker of missing values. */
export function isBlank({ blankWords }: Pick<InspectedColumn, 'blankWords'>, value: string): boolean {
  const text = value.trim();
  return text === '' || blankWords.includes(text);
}

/** A value and the number of rows that have it. */
interface Value {
  readonly text: string;
  readonly rows: number;
}

/** Determines the kind of a column from its values and its name. */
export function inspectColumn(column: Column): InspectedColumn {
  const all = column.values.map((text, i): Value => ({ text: text.trim(), rows: column.counts[i]! }));
  const blankWords = [...new Set(all.map(({ text }) => text))].filter((text) => BLANKS.includes(text.toLowerCase()));
  const present = all.filter(({ text }) => !isBlank({ blankWords }, text));
  const rows = column.codes.length;
  const presentRows = sumRows(present);
  const kind = detectKind(column.name, present, presentRows, presentRows < rows);
  return {
    column,
    kind,
    blanks: rows === 0 ? 0 : 1 - presentRows / rows,
    blankWords,
    different:
      kind.is === 'list'
        ? collectItems(
            present.map(({ text }) => text),
            kind,
          ).size
        : present.length,
  };
}

function detectKind(name: string, present: readonly Value[], rows: number, hasBlanks: boolean): ColumnKind {
  const yes = findPositive(present, hasBlanks);
  if (yes !== undefined) return { is: 'truth', yes };
  // A single value says as much as a flag if it is missing in other rows.
  if (present.length <= 1) return present.length === 1 && hasBlanks ? { is: 'id' } : { is: 'constant' };
  const share = (has: (text: string) => boolean): number => sumRows(present.filter(({ text }) => has(text))) / rows;
  const isMostly = (has: (text: string) => boolean): boolean => share(has) > MIN_MATCH_SHARE;
  if (isMostly((text) => readDate(text) !== undefined))
    return { is: 'time', format: 'iso', hasHours: isMostly((text) => text.length > 10) };
  if (/time|date|stamp|^ts$|_ts$|_at$/i.test(name)) {
    if (isMostly((text) => /^([3-9]\d{8}|[12]\d{9})$/.test(text)))
      return { is: 'time', format: 'seconds', hasHours: true };
    if (isMostly((text) => /^[12]\d{12}$/.test(text))) return { is: 'time', format: 'milliseconds', hasHours: true };
  }
  if (
    /date|day|^d[st]$|_d[st]$/i.test(name) &&
    isMostly((text) => /^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/.test(text))
  )
    return { is: 'day' };
  const hasComma = share((text) => /^[-+]?\d+,\d+$/.test(text)) > 0.2;
  const isNumber = (text: string): boolean => NUMBER.test(hasComma ? text.replace(',', '.') : text);
  const list = isMostly(isNumber) ? undefined : detectList(present, rows);
  if (list !== undefined) return list;
  const isKey = present.length === rows && rows > 20;
  if (isMostly(isNumber) && !isId(name, present, isMostly))
    return { is: 'number', hasComma, isSkewed: isSkewed(present, rows) };
  if (isKey) return { is: 'key' };
  const letters = present.reduce((sum, { text, rows: own }) => sum + text.length * own, 0) / rows;
  if (letters > MIN_TEXT_LENGTH && present.length > 0.5 * rows) return { is: 'text' };
  return { is: 'id' };
}

/** Share of values that must match a kind; the others become invalid rows. */
const MIN_MATCH_SHARE = 0.995;
/** Mean number of characters beyond which values are free text. */
const MIN_TEXT_LENGTH = 40;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;

function sumRows(values: readonly Value[]): number {
  return values.reduce((sum, { rows }) => sum + rows, 0);
}

/** Returns the positive value of a binary column, whose other value may be missing in all rows. */
function findPositive(present: readonly Value[], hasBlanks: boolean): string | undefined {
  const isBinary = present.length === 2 || (present.length === 1 && hasBlanks);
  const pair = TRUTHS.find((each) => present.every(({ text }) => each.includes(text.toLowerCase())));
  return isBinary ? present.find(({ text }) => text.toLowerCase() === pair?.[1])?.text : undefined;
}

const NAMES_NUMBERS =
  /(^|[_\W])(cnt|count|num|price|amount|amt|age|score|rate|ratio|duration|sum|avg|mean|min|max|days|hours|minutes|seconds|length|len|distance|dist|qty|quantity|total|sales|cost|budget|bid|ctr|cvr|weight|height|width|size|views?|pv|uv)([_\W]|$)/i;
const NAMES_IDS =
  /(^|[_\W])(id|uid|user|item|shop|code|type|cat|category|brand|city|region|country|gender|sex|tag|level|group|bucket|class|segment|pid|cid|sku|ad|campaign|advertiser|publisher|site|app|device|os|slot|position|pos)([_\W]|$)|id$/i;

/** Maximum number of distinct integers that are numbers unless their name suggests ids. */
const MAX_ORDINALS = 128;

/** Whether integers are ids: no decimals, none negative, and a typical name or gaps. */
function isId(name: string, present: readonly Value[], isMostly: (has: (text: string) => boolean) => boolean): boolean {
  if (!isMostly((text) => /^\d+$/.test(text)) || NAMES_NUMBERS.test(name)) return false;
  if (NAMES_IDS.test(name) || /^\d+(_\d+)*$/.test(name)) return true;
  // A few integers may be codes or amounts: numbers with a knot per value represent both.
  if (present.length <= MAX_ORDINALS) return false;
  const largest = present.reduce((most, { text }) => Math.max(most, Number(text)), 0);
  // Counts are mostly small; ids are spread evenly.
  const low = sumRows(present.filter(({ text }) => Number(text) < largest / 4));
  return largest <= 10 * present.length && low < 0.6 * sumRows(present);
}

/** Whether a few values are much larger than the others and none is negative: take their logarithm. */
function isSkewed(present: readonly Value[], rows: number): boolean {
  const numbers = present
    .map(({ text, rows: own }) => ({ value: Number(text.replace(',', '.')), rows: own }))
    .sort((a, b) => a.value - b.value);
  if (numbers[0]!.value < 0) return false;
  let numBefore = 0;
  const median = numbers.find(({ rows: own }) => (numBefore += own) >= rows / 2)!.value;
  const mean = numbers.reduce((sum, { value, rows: own }) => sum + value * own, 0) / rows;
  return mean > 3 * Math.max(median, 1e-9) && numbers.at(-1)!.value > 10;
}

/** Separators of list items that texts contain, too. */
const PROSE_SEPARATORS = [',', ';', ' '];
/** Separators of list items that names contain, too, as in "Taco King #2", "Portland, OR" or "A320 214". */
const NAME_SEPARATORS = [...PROSE_SEPARATORS, '#'];
/** Separators of list items. */
const SEPARATORS = ['|', ';', ',', ' ', '#', '^', '\u0001', '\u0002'];

function detectList(present: readonly Value[], rows: number): ColumnKind | undefined {
  const json = present.filter(({ text }) => /^\[.*\]$/s.test(text));
  if (sumRows(json) > MIN_MATCH_SHARE * rows) {
    if (json.some(({ text }) => /^\['"]?.*'/s.test(text) && !isJson(text))) return { is: 'python-list' };
    const inner = json.map(({ text }) =>
      text
        .slice(1, -1)
        .split(/[\s,]+/)
        .filter(Boolean),
    );
    return areVectors(inner)
      ? { is: 'numbers', separator: undefined }
      : describeList(json, { items: undefined, weight: undefined });
  }
  for (const separator of SEPARATORS) {
    const list = detectSeparated(present, rows, separator);
    if (list !== undefined) return list;
  }
  return undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Minimum share of values with a separator in a list. */
const MIN_SEVERAL_SHARE = 0.05;
/** Minimum share of recurring items that occur at several positions of a list. */
const MIN_MOVING_SHARE = 0.2;

function detectSeparated(present: readonly Value[], rows: number, separator: string): ColumnKind | undefined {
  const several = present.filter(({ text }) => text.includes(separator));
  if (sumRows(several) < MIN_SEVERAL_SHARE * rows) return undefined;
  const cells = several.map(({ text }) => text.split(separator));
  const items = cells.flat().map((item) => item.trim());
  // Items of a list recur. A sentence has spaces and commas, too.
  const isRepeated = new Set(items).size < 0.7 * items.length;
  const isName = (item: string): boolean =>
    separator === ' ' ? /\d/.test(item) : !PROSE_SEPARATORS.includes(separator) || !item.includes(' ');
  const areNames = items.filter(isName).length > 0.8 * items.length;
  const isItem = (item: string): boolean => item !== '' && item.length <= MIN_TEXT_LENGTH;
  if (!areNames || items.filter(isItem).length < MIN_MATCH_SHARE * items.length) return undefined;
  if (areVectors(cells)) return { is: 'numbers', separator };
  if (!isRepeated) return undefined;
  if (NAME_SEPARATORS.includes(separator) && !doItemsMove(present, separator)) return undefined;
  const isWeighted = items.every((item) => /^.+:[-+]?[\d.]+$/.test(item));
  const other = [':', '=', '~', '@', '#'].find(
    (character) => character !== separator && !items.some((item) => item.includes(character)),
  );
  return describeList(present, { items: separator, weight: isWeighted ? ':' : other });
}

/**
 * Returns whether recurring items change their position, as the items of lists do. Parts of names do not: the number of
 * a branch is never its first part, and its brand always is.
 */
function doItemsMove(present: readonly Value[], separator: string): boolean {
  /** The position of an item; undefined if it has several. */
  const positions = new Map<string, number | undefined>();
  const recurring = new Set<string>();
  for (const { text } of present)
    for (const [i, cell] of text.split(separator).entries()) {
      const item = cell.trim().replace(/:[-+]?[\d.]+$/, '');
      if (positions.has(item)) recurring.add(item);
      positions.set(item, positions.has(item) && positions.get(item) !== i ? undefined : i);
    }
  const numMoving = [...recurring].filter((item) => positions.get(item) === undefined).length;
  return numMoving >= MIN_MOVING_SHARE * recurring.size;
}

/** Whether lists are vectors: equally long, and numbers with decimals. */
function areVectors(cells: readonly (readonly string[])[]): boolean {
  const length = cells[0]?.length ?? 0;
  return (
    length > 1 &&
    cells.every((cell) => cell.length === length && cell.every((item) => NUMBER.test(item))) &&
    cells.some((cell) => cell.some((item) => item.includes('.')))
  );
}

function describeList(lists: readonly Value[], notation: ListNotation): ColumnKind {
  const length = lists.reduce((most, { text }) => Math.max(most, splitItems(text, notation).length), 0);
  return { is: 'list', ...notation, length };
}
