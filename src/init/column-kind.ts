import { readDate } from '../text/dates.js';
import type { Column } from './read-columns.js';

/** Cells that people write where nothing is known, in small letters. */
const BLANKS = ['na', 'n/a', '#n/a', 'nan', 'null', 'none', '\\n', '?', '-', 'unknown'];
/** Pairs of cells that are no and yes. */
const TRUTHS: readonly (readonly [string, string])[] = [
  ['0', '1'],
  ['0.0', '1.0'],
  ['no', 'yes'],
  ['n', 'y'],
  ['false', 'true'],
  ['f', 't'],
];

/** What the cells of a column are. */
export type ColumnKind =
  | { readonly is: 'truth'; readonly yes: string }
  | { readonly is: 'constant' }
  | { readonly is: 'key' }
  | { readonly is: 'text' }
  | { readonly is: 'time'; readonly format: 'iso' | 'seconds' | 'milliseconds'; readonly hasHours: boolean }
  | { readonly is: 'day' }
  | {
      readonly is: 'list';
      readonly items: string | undefined;
      readonly weight: string | undefined;
      readonly length: number;
    }
  | { readonly is: 'numbers'; readonly separator: string | undefined }
  | { readonly is: 'number'; readonly hasComma: boolean; readonly isSkewed: boolean }
  | { readonly is: 'id'; readonly isRare: boolean };

/** A column and what it is. */
export interface LookedAt {
  readonly column: Column;
  readonly kind: ColumnKind;
  /** Shares of its rows. */
  readonly blanks: number;
  /** Cells in it that stand for nothing. */
  readonly blankWords: readonly string[];
  /** Different cells that hold something. */
  readonly different: number;
}

/** A cell that holds something, and how many rows have it. */
interface Value {
  readonly text: string;
  readonly rows: number;
}

/** What a column is, as far as its cells and its name tell. */
export function lookAt(column: Column): LookedAt {
  const all = column.values.map((text, i): Value => ({ text: text.trim(), rows: column.counts[i]! }));
  const blankWords = [...new Set(all.map(({ text }) => text))].filter((text) => BLANKS.includes(text.toLowerCase()));
  const held = all.filter(({ text }) => text !== '' && !blankWords.includes(text));
  const rows = column.codes.length;
  const heldRows = rowsOf(held);
  return {
    column,
    kind: kindOf(column.name, held, heldRows),
    blanks: rows === 0 ? 0 : 1 - heldRows / rows,
    blankWords,
    different: held.length,
  };
}

function kindOf(name: string, held: readonly Value[], rows: number): ColumnKind {
  const yes = yesOf(held);
  if (yes !== undefined) return { is: 'truth', yes };
  if (held.length <= 1) return { is: 'constant' };
  const share = (has: (text: string) => boolean): number => rowsOf(held.filter(({ text }) => has(text))) / rows;
  const isMostly = (has: (text: string) => boolean): boolean => share(has) > ALMOST_ALL;
  if (isMostly((text) => readDate(text) !== undefined))
    return { is: 'time', format: 'iso', hasHours: isMostly((text) => text.length > 10) };
  if (/time|date|stamp|^ts$|_ts$|_at$/i.test(name)) {
    if (isMostly((text) => /^[12]\d{9}$/.test(text))) return { is: 'time', format: 'seconds', hasHours: true };
    if (isMostly((text) => /^[12]\d{12}$/.test(text))) return { is: 'time', format: 'milliseconds', hasHours: true };
  }
  if (
    /date|day|^d[st]$|_d[st]$/i.test(name) &&
    isMostly((text) => /^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/.test(text))
  )
    return { is: 'day' };
  const hasComma = share((text) => /^[-+]?\d+,\d+$/.test(text)) > 0.2;
  const isNumber = (text: string): boolean => NUMBER.test(hasComma ? text.replace(',', '.') : text);
  const list = isMostly(isNumber) ? undefined : listOf(held, rows);
  if (list !== undefined) return list;
  const isKey = held.length === rows && rows > 20;
  if (isMostly(isNumber) && !isId(name, held, isMostly))
    return { is: 'number', hasComma, isSkewed: isSkewed(held, rows) };
  if (isKey) return { is: 'key' };
  const letters = held.reduce((sum, { text, rows: own }) => sum + text.length * own, 0) / rows;
  if (letters > LONG_TEXT && held.length > 0.5 * rows) return { is: 'text' };
  return { is: 'id', isRare: held.length > 0.02 * rows && held.length > 100 };
}

/** Cells that may be of another kind without a word: they are bad rows then. */
const ALMOST_ALL = 0.995;
/** Letters of a cell on the mean, beyond which it is a text and no name. */
const LONG_TEXT = 40;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;

function rowsOf(values: readonly Value[]): number {
  return values.reduce((sum, { rows }) => sum + rows, 0);
}

/** The cell that is yes, where cells are yes and no, or only one of both is there. */
function yesOf(held: readonly Value[]): string | undefined {
  if (held.length === 0 || held.length > 2) return undefined;
  for (const pair of TRUTHS) {
    if (!held.every(({ text }) => pair.includes(text.toLowerCase()))) continue;
    const found = held.find(({ text }) => text.toLowerCase() === pair[1])?.text;
    if (found !== undefined) return found;
    // As the no beside it is written.
    const [no] = held as [Value];
    return no.text === no.text.toUpperCase() ? pair[1].toUpperCase() : pair[1];
  }
  return undefined;
}

const NAMES_NUMBERS =
  /(^|[_\W])(cnt|count|num|price|amount|amt|age|score|rate|ratio|duration|sum|avg|mean|min|max|days|hours|minutes|seconds|length|len|distance|dist|qty|quantity|total|sales|cost|budget|bid|ctr|cvr|weight|height|width|size|views?|pv|uv)([_\W]|$)/i;
const NAMES_IDS =
  /(^|[_\W])(id|uid|user|item|shop|code|type|cat|category|brand|city|region|country|gender|sex|tag|level|group|bucket|class|segment|pid|cid|sku|ad|campaign|advertiser|publisher|site|app|device|os|slot|position|pos)([_\W]|$)|id$/i;

/** Whether numbers are names of things: no decimals, none below 0, and a name or gaps as ids have them. */
function isId(name: string, held: readonly Value[], isMostly: (has: (text: string) => boolean) => boolean): boolean {
  if (!isMostly((text) => /^\d+$/.test(text)) || NAMES_NUMBERS.test(name)) return false;
  if (NAMES_IDS.test(name) || /^\d+(_\d+)*$/.test(name)) return true;
  const largest = held.reduce((most, { text }) => Math.max(most, Number(text)), 0);
  if (held.length <= 50) return true;
  // Small counts are frequent and large ones are not, which ids in whatever order know nothing of.
  const low = rowsOf(held.filter(({ text }) => Number(text) < largest / 4));
  return largest <= 10 * held.length && low < 0.6 * rowsOf(held);
}

/** Whether a few numbers are much larger than the others, and none is below 0: their logarithm says more. */
function isSkewed(held: readonly Value[], rows: number): boolean {
  const numbers = held
    .map(({ text, rows: own }) => ({ value: Number(text.replace(',', '.')), rows: own }))
    .sort((a, b) => a.value - b.value);
  if (numbers[0]!.value < 0) return false;
  let before = 0;
  const median = numbers.find(({ rows: own }) => (before += own) >= rows / 2)!.value;
  const mean = numbers.reduce((sum, { value, rows: own }) => sum + value * own, 0) / rows;
  return mean > 3 * Math.max(median, 1e-9) && numbers.at(-1)!.value > 10;
}

/** What stands between the items of cells that are lists. */
const BETWEEN = ['|', ';', ',', ' ', '#', '^', '\u0001', '\u0002'];

function listOf(held: readonly Value[], rows: number): ColumnKind | undefined {
  const json = held.filter(({ text }) => /^\[.*\]$/s.test(text));
  if (rowsOf(json) > ALMOST_ALL * rows) {
    const inner = json.map(({ text }) =>
      text
        .slice(1, -1)
        .split(/[\s,]+/)
        .filter(Boolean),
    );
    return ofNumbers(inner)
      ? { is: 'numbers', separator: undefined }
      : { is: 'list', items: undefined, weight: undefined, length: longest(inner) };
  }
  for (const separator of BETWEEN) {
    const several = held.filter(({ text }) => text.includes(separator));
    if (rowsOf(several) < 0.2 * rows) continue;
    const cells = several.map(({ text }) => text.split(separator));
    const items = cells.flat();
    // What is a list has the same things in it again and again. A sentence has spaces and commas, too.
    const isRepeated = new Set(items).size < 0.7 * items.length;
    const areNames =
      items.filter((item) => (separator === ' ' ? /\d/.test(item) : !item.trim().includes(' '))).length >
      0.8 * items.length;
    if (!areNames || items.some((item) => item === '' || item.length > LONG_TEXT)) continue;
    if (ofNumbers(cells)) return { is: 'numbers', separator };
    if (!isRepeated) continue;
    const isWeighted = items.every((item) => /^.+:[-+]?[\d.]+$/.test(item));
    const other = [':', '=', '~', '@', '#'].find(
      (character) => character !== separator && !items.some((item) => item.includes(character)),
    );
    return { is: 'list', items: separator, weight: isWeighted ? ':' : other, length: longest(cells) };
  }
  return undefined;
}

/** Whether lists are vectors: of one length, and of numbers with decimals. */
function ofNumbers(cells: readonly (readonly string[])[]): boolean {
  const length = cells[0]?.length ?? 0;
  return (
    length > 1 &&
    cells.every((cell) => cell.length === length && cell.every((item) => NUMBER.test(item))) &&
    cells.some((cell) => cell.some((item) => item.includes('.')))
  );
}

function longest(cells: readonly (readonly string[])[]): number {
  return cells.reduce((most, { length }) => Math.max(most, length), 0);
}
