import type { ItemForm, Items } from '../chunks/column.js';
import { InvalidValueError as BadValue } from '../text/invalid-value.js';
import { isInnerList, NESTED, splitJsonLists } from './nested-json.js';

const NO_ITEM = new BadValue('list items of the form id, [id, weight] or { "id": …, "weight": … }');
const UNSAFE = new BadValue('JSON ids as strings, or as integers up to 2^53 in plain digits', 'quote such ids');
const TWICE = new BadValue('unique keys in each JSON item');

const OF_PYTHON = new BadValue(
  'a JSON list, such as ["a", "b"]',
  'write it with json.dumps, or set format: separated if it is not a list',
);

/** Returns whether a string may be a JSON list. */
export function looksLikeJson(text: string): boolean {
  return text.startsWith('[') && text.endsWith(']');
}

/**
 * Parses the items of a JSON list: ids of weight 1, `[id, weight]` pairs, or `{ "id": …, "weight": … }` objects. Null
 * is a missing item if the form keeps it. Items that are lists keep their text.
 * @returns undefined if the string is not JSON
 * @throws InvalidValueError for an invalid item, a duplicate key, or a numeric id whose digits JSON.parse does not
 * preserve
 */
export function parseJsonBag(text: string, { keepsMissing, areNumbers, areLists }: ItemForm = {}): Items | undefined {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    if (text.startsWith("['")) throw OF_PYTHON;
    return undefined;
  }
  if (areLists === true) return splitJsonLists(text, list as readonly unknown[]);
  const [ids, weights]: [string[], number[]] = [[], []];
  let mayBeLossy = false;
  for (const item of list as readonly unknown[]) {
    if (keepsMissing === true && isInnerList(item)) throw NESTED;
    const [id, weight] = splitItem(item);
    const isNull = id === null && keepsMissing === true;
    ids.push(isNull ? '' : typeof id === 'number' && areNumbers === true ? String(id) : parseItemId(id));
    weights.push(typeof weight === 'number' ? weight : NaN);
    mayBeLossy ||=
      areNumbers !== true && (typeof id === 'number' || (typeof item === 'object' && !Array.isArray(item)));
  }
  if (mayBeLossy && LOSSY_JSON.test(text)) checkItems(text);
  return { ids, weights, begin: 0, end: ids.length };
}

/** Returns the id and the weight of an item. */
function splitItem(item: unknown): readonly [id: unknown, weight: unknown] {
  if (Array.isArray(item)) {
    if (item.length !== 2) throw NO_ITEM;
    return item as [unknown, unknown];
  }
  if (typeof item !== 'object' || item === null) return [item, 1];
  if (!('id' in item) || Object.keys(item).some((key) => key !== 'id' && key !== 'weight')) throw NO_ITEM;
  return [item.id, 'weight' in item ? item.weight : 1];
}

function parseItemId(id: unknown): string {
  if (typeof id === 'string') return id;
  if (typeof id !== 'number') throw NO_ITEM;
  if (!Number.isSafeInteger(id)) throw UNSAFE;
  return String(id);
}

/** Matches lists from which JSON.parse loses information: numbers that are not plain digits, and objects. */
const LOSSY_JSON = /[.eE{]|-0/;
/** Strings, punctuation, and everything else: numbers and words. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g;
const DIGITS = /^(-?[1-9]\d*|0)$/;

/**
 * Checks for problems that JSON.parse does not report: the digits of numeric ids, and duplicate keys.
 * @param text a JSON list
 */
function checkItems(text: string): void {
  let depth = 0;
  /** First character of the current item, commas so far within it, and its keys so far. */
  let item = '';
  let commas = 0;
  const keys = new Set<unknown>();
  let key: unknown;
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '[' || token === '{') {
      if (++depth !== 2) continue;
      item = token;
      commas = 0;
      keys.clear();
      key = undefined;
    } else if (token === ']' || token === '}') depth--;
    else if (depth === 2 && token === ',') {
      commas++;
      key = undefined;
    } else if (depth === 2 && item === '{' && key === undefined) {
      key = JSON.parse(token);
      if (keys.has(key)) throw TWICE;
      keys.add(key);
    } else if (depth === 1 || (depth === 2 && (item === '[' ? commas === 0 : key === 'id'))) {
      if (/^[-\d]/.test(token) && !DIGITS.test(token)) throw UNSAFE;
    }
  }
}
