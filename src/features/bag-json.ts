import { BadValue, type BagItems } from './feature.js';

const NO_ITEM = new BadValue(
  'every item of the list to be an id, a pair of an id and a weight, or { "id": …, "weight": … }',
);
const UNSAFE = new BadValue(
  'ids in a list of JSON to be texts, or whole numbers up to 2^53 in digits',
  'write such ids in quotes',
);
const TWICE = new BadValue('every key of an item in a list of JSON once');

const OF_PYTHON = new BadValue(
  'a list in JSON, as ["a", "b"]',
  'Python writes it so by json.dumps; or take format: separated, where such cells are no lists',
);

/** Whether a text may be a list in JSON. */
export function looksLikeJson(text: string): boolean {
  return text.startsWith('[') && text.endsWith(']');
}

/**
 * The items of a list in JSON: each an id, of weight 1, or `[id, weight]`, or `{ "id": …, "weight": … }`.
 * @returns undefined for a text that is not JSON
 * @throws BadValue for a list whose items are none, for a key that an item has twice, and for an id that is a number
 * with another text
 */
export function bagOfJson(text: string): BagItems | undefined {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    if (text.startsWith("['")) throw OF_PYTHON;
    return undefined;
  }
  const [ids, weights]: [string[], number[]] = [[], []];
  let mayLie = false;
  for (const item of list as readonly unknown[]) {
    const [id, weight] = pairOf(item);
    ids.push(idOf(id));
    weights.push(typeof weight === 'number' ? weight : NaN);
    mayLie ||= typeof id === 'number' || (typeof item === 'object' && !Array.isArray(item));
  }
  if (mayLie && LIES.test(text)) checkItems(text);
  return { ids, weights, begin: 0, end: ids.length };
}

/** An item's id, and its weight. */
function pairOf(item: unknown): readonly [id: unknown, weight: unknown] {
  if (Array.isArray(item)) {
    if (item.length !== 2) throw NO_ITEM;
    return item as [unknown, unknown];
  }
  if (typeof item !== 'object' || item === null) return [item, 1];
  if (!('id' in item) || Object.keys(item).some((key) => key !== 'id' && key !== 'weight')) throw NO_ITEM;
  return [item.id, 'weight' in item ? item.weight : 1];
}

function idOf(id: unknown): string {
  if (typeof id === 'string') return id;
  if (typeof id !== 'number') throw NO_ITEM;
  if (!Number.isSafeInteger(id)) throw UNSAFE;
  return String(id);
}

/** What a list has in which JSON.parse loses something: a number that is not digits alone, or an object. */
const LIES = /[.eE{]|-0/;
/** Texts, punctuation, and what is neither: numbers and words. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g;
const DIGITS = /^(-?[1-9]\d*|0)$/;

/**
 * Checks what JSON.parse does not give: the text of numbers that are ids, and keys that an item has twice.
 * @param text a list in JSON
 */
function checkItems(text: string): void {
  let depth = 0;
  /** How the item begins, how many commas are before the place in it, and the keys that it has so far. */
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
