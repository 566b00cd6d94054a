import type { Column, DictionaryValues, Utf8 } from '../chunks/column.js';
import { createUtf8Writer } from './vocabulary/utf8.js';

/**
 * Returns a function from an item to its text; a text of a dictionary is read once.
 * @param memos texts of dictionaries, which outlive a chunk
 */
export function itemTexts(items: Column, memos: WeakMap<DictionaryValues, string[]>): (item: number) => string {
  if (items.dictionary === undefined) return (item) => items.text(item);
  const { indices, values } = items.dictionary;
  const memo = memos.get(values) ?? [];
  memos.set(values, memo);
  return (item) => (memo[indices[item]!] ??= values.text(indices[item]!));
}

/** Returns a function that compares the text of an item with a text, which many consecutive items are compared with. */
export function itemComparer(items: Column): (item: number, text: string) => boolean {
  if (items.dictionary === undefined && items.utf8 !== undefined) return utf8Comparer(items.utf8);
  const textOf = itemTexts(items, new WeakMap());
  return (item, text) => textOf(item) === text;
}

/** Compares bytes, so that items are not converted to strings. */
function utf8Comparer({ bytes, begins, ends, stride, gap }: Utf8): (item: number, text: string) => boolean {
  const utf8 = createUtf8Writer();
  let [known, length] = ['', 0];
  return (item, text) => {
    if (text !== known) [known, length] = [text, utf8.write(text)];
    const begin = begins[item * stride]! + gap;
    if (ends[item * stride]! - begin !== length) return false;
    for (let i = 0; i < length; i++) if (bytes[begin + i] !== utf8.bytes[i]) return false;
    return true;
  };
}
