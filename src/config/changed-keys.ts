import { flatten } from '../core/flatten.js';

/** A key with different values in two configs: JSON, or undefined if a config does not have it. */
export interface ChangedKey {
  readonly key: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Compares two configs by value and returns the keys that differ; the order of keys is ignored. */
export function changedKeys(before: object, after: object): readonly ChangedKey[] {
  const [was, is] = [flatten(before), flatten(after)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((key) => was.get(key) !== is.get(key))
    .map((key) => ({ key, before: was.get(key), after: is.get(key) }));
}
