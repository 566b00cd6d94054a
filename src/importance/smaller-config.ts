import { isMap, isScalar, isSeq, parseDocument, visit, type Document, type Node, type Pair, type YAMLMap } from 'yaml';
import type { FeatureSpec } from '../features/feature-types.js';
import { findReferences, type ConfigField } from './config-fields.js';

/** A config value by key path; undefined removes the key. */
export interface ConfigChange {
  readonly path: readonly string[];
  readonly value: unknown;
}

/**
 * Removes fields from a config text and keeps its comments. Model parts no longer read removed groups.
 * @param text YAML that parses
 * @param groups parsed feature groups of the config
 * @param changes applied first, in order
 */
export function removeFields(
  text: string,
  groups: Readonly<Record<string, FeatureSpec>>,
  removed: readonly ConfigField[],
  changes: readonly ConfigChange[],
): string {
  const document = parseDocument(text);
  const root = document.contents;
  if (!isMap(root)) throw new Error('a config is a map');
  const change = ({ path, value }: ConfigChange): void => {
    let map: YAMLMap = root;
    for (const step of path.slice(0, -1)) {
      let child = findPair(map, step)?.value;
      if (!isMap(child)) {
        if (value === undefined) return;
        setValue(map, step, (child = document.createNode({})), document);
      }
      map = child as YAMLMap;
    }
    const key = path.at(-1)!;
    if (value === undefined) map.items = map.items.filter((pair) => !isKey(pair, key));
    else setValue(map, key, value, document);
  };
  changes.forEach(change);
  for (const [group, spec] of Object.entries(groups)) {
    const groupFields = removed.filter((field) => field.group === group);
    const entries = groupFields.flatMap((field) => field.entries);
    if (entries.length === spec.fields.length) {
      change({ path: ['features', group], value: undefined });
      visit(document.get('model') as Node, {
        Pair(_, { key, value }) {
          if (isScalar(key) && key.value === 'input' && isSeq(value))
            value.items = value.items.filter((item) => !isScalar(item) || item.value !== group);
        },
      });
      continue;
    }
    for (const path of groupFields.flatMap(({ name }) => findReferences(spec, name)))
      change({ path: ['features', group, ...path], value: undefined });
    const list = document.getIn(['features', group, 'fields']);
    if (isSeq(list)) list.items = list.items.filter((_, i) => !entries.includes(i));
  }
  const written = document.toString({ lineWidth: 0, flowCollectionPadding: text.includes('{ ') });
  // The library pads lists like maps; if the text had no padded list, all padding comes from the library.
  return /\[ | \]/.test(text) ? written : written.replaceAll('[ ', '[').replaceAll(' ]', ']');
}

/** Keys such as 101 are parsed as numbers. */
const isKey = ({ key }: Pair, name: string): boolean => (isScalar(key) ? String(key.value) : key) === name;
const findPair = (map: YAMLMap, name: string): Pair | undefined => map.items.find((pair) => isKey(pair, name));

function setValue(map: YAMLMap, key: string, value: unknown, document: Document): void {
  const pair = findPair(map, key);
  const node = document.createNode(value);
  if (pair === undefined) map.set(key, node);
  // A comment after a value belongs to that value.
  else if (isScalar(pair.value) && isScalar(node)) pair.value.value = node.value;
  else pair.value = node;
}
