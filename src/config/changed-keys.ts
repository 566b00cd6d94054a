import { flatten } from '../core/flatten.js';

/** A key of two configs that differ in it: JSON in full, undefined where one has no such key. */
export interface ChangedKey {
  readonly key: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** The keys in which two configs differ, by what they hold; the order of keys is none of it. */
export function changedKeys(before: object, after: object): readonly ChangedKey[] {
  const [was, is] = [flatten(before), flatten(after)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((key) => was.get(key) !== is.get(key))
    .map((key) => ({ key, before: was.get(key), after: is.get(key) }));
}
