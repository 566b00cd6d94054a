import { BadValue, type BagItems } from './feature.js';

const NO_ITEM = new BadValue('every item of the list to be an id, a pair of an id and a weight, or { "id": …, "weight": … }');
const UNSAFE = new BadValue('ids in a list of JSON to be texts, or whole numbers up to 2^53', 'write such ids in quotes');

const OF_PYTHON = new BadValue('a list in JSON, as ["a", "b"]', "Python writes it so by json.dumps; or take format: separated, where such cells are no lists");

/** Whether a text may be a list in JSON. */
export function looksLikeJson(text: string): boolean {
  return text.startsWith('[') && text.endsWith(']');
}

/**
 * The items of a list in JSON: each an id, of weight 1, or `[id, weight]`, or `{ "id": …, "weight": … }`.
 * @returns undefined for a text that is not JSON
 * @throws BadValue for a list whose items are none, and for an id that JSON's numbers cannot tell from its neighbours
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
  for (const item of list as readonly unknown[]) {
    const [id, weight] = pairOf(item);
    ids.push(idOf(id));
    weights.push(typeof weight === 'number' ? weight : NaN);
  }
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
