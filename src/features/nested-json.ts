import { JSON_ITEM, type Items } from '../chunks/column.js';
import { InvalidValueError as BadValue } from '../text/invalid-value.js';

/** A value among items that are lists. */
export const FLAT = new BadValue(
  'a list of lists, such as [["a", "b"], [], ["c"]]',
  'write the values of each item as a list, or remove pooling from a field whose items have one value',
);

/** A list among items that are single values. */
export const NESTED = new BadValue(
  'one id per item, not a list',
  'set pooling: mean for a field whose items are lists of ids, or write one id per item',
);

/** A list among the items of a bag. */
export const NESTED_BAG = new BadValue(
  'one id per item, not a list',
  'flatten it: a bag is one list per row; items of type: sequence may be lists, with pooling: mean',
);

/** Strings with all that they contain, and brackets. */
const STRINGS_AND_BRACKETS = /"(?:[^"\\]|\\.)*"|[[\]]/g;

/**
 * Splits a JSON list of lists into the texts of its items, for which null is an empty list.
 * @param list the parsed text
 * @throws InvalidValueError for an item that is not a list
 */
export function splitJsonLists(text: string, list: readonly unknown[]): Items {
  for (const item of list) if (item !== null && !Array.isArray(item)) throw FLAT;
  const written = listInnerTexts(text);
  let next = 0;
  const ids = list.map((item) => {
    if (item === null) return '';
    const own = written[next++]!;
    return (item as readonly unknown[]).length === 0 ? '' : `${JSON_ITEM}${own}`;
  });
  return { ids, weights: ids.map(() => 1), begin: 0, end: ids.length };
}

/**
 * Returns the texts of items that are lists.
 * @param textOf returns the text of a value
 * @throws InvalidValueError for an item that is not a list
 */
export function toListItems(list: readonly unknown[], textOf: (value: unknown) => string): Items {
  const ids = list.map((item) => {
    if (item === null || item === undefined) return '';
    if (!Array.isArray(item)) throw FLAT;
    return item.length === 0 ? '' : `${JSON_ITEM}${JSON.stringify(item.map(textOf))}`;
  });
  return { ids, weights: ids.map(() => 1), begin: 0, end: ids.length };
}

/** Returns whether an item is a list, and no pair of an id and a weight. */
export function isInnerList(item: unknown): boolean {
  return Array.isArray(item) && !(item.length === 2 && typeof item[1] === 'number');
}

/** Returns the inner lists as they are written, since parsed numbers lose the digits of ids. */
function listInnerTexts(text: string): readonly string[] {
  const written: string[] = [];
  let [depth, begin] = [0, 0];
  for (const { 0: token, index } of text.matchAll(STRINGS_AND_BRACKETS)) {
    if (token === '[' && ++depth === 2) begin = index;
    if (token === ']' && --depth === 1) written.push(text.slice(begin, index + 1));
  }
  return written;
}
