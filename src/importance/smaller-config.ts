import { isMap, isScalar, isSeq, parseDocument, visit, type Document, type Node, type Pair, type YAMLMap } from 'yaml';
import type { FeatureSpec } from '../features/feature-types.js';
import { namedIn, type ConfigField } from './config-fields.js';

/** A value of a config, under a path of keys; undefined takes the key out. */
export interface ConfigChange {
  readonly path: readonly string[];
  readonly value: unknown;
}

/**
 * A config without some fields, as the text that it was, comments included; parts of the model read no group that is
 * gone.
 * @param text YAML that parses
 * @param groups what its features are parsed as
 * @param changes made first, in their order
 */
export function configWithout(
  text: string,
  groups: Readonly<Record<string, FeatureSpec>>,
  left: readonly ConfigField[],
  changes: readonly ConfigChange[],
): string {
  const document = parseDocument(text);
  const root = document.contents;
  if (!isMap(root)) throw new Error('a config is a map');
  const change = ({ path, value }: ConfigChange): void => {
    let map: YAMLMap = root;
    for (const step of path.slice(0, -1)) {
      let below = pairOf(map, step)?.value;
      if (!isMap(below)) {
        if (value === undefined) return;
        put(map, step, (below = document.createNode({})), document);
      }
      map = below as YAMLMap;
    }
    const key = path.at(-1)!;
    if (value === undefined) map.items = map.items.filter((pair) => !isKey(pair, key));
    else put(map, key, value, document);
  };
  changes.forEach(change);
  for (const [group, spec] of Object.entries(groups)) {
    const gone = left.filter((field) => field.group === group);
    if (gone.length === spec.fields.length) {
      change({ path: ['features', group], value: undefined });
      visit(document.get('model') as Node, {
        Pair(_, { key, value }) {
          if (isScalar(key) && key.value === 'input' && isSeq(value))
            value.items = value.items.filter((item) => !isScalar(item) || item.value !== group);
        },
      });
      continue;
    }
    for (const path of gone.flatMap(({ name }) => namedIn(spec, name)))
      change({ path: ['features', group, ...path], value: undefined });
    const list = document.getIn(['features', group, 'fields']);
    if (isSeq(list)) list.items = list.items.filter((_, i) => !gone.some(({ index }) => index === i));
  }
  const written = document.toString({ lineWidth: 0, flowCollectionPadding: text.includes('{ ') });
  // The library pads lists as it pads maps; where the text had no padded list, all of that is the library's.
  return /\[ | \]/.test(text) ? written : written.replaceAll('[ ', '[').replaceAll(' ]', ']');
}

/** Keys like 101 are numbers there. */
const isKey = ({ key }: Pair, name: string): boolean => (isScalar(key) ? String(key.value) : key) === name;
const pairOf = (map: YAMLMap, name: string): Pair | undefined => map.items.find((pair) => isKey(pair, name));

function put(map: YAMLMap, key: string, value: unknown, document: Document): void {
  const pair = pairOf(map, key);
  const node = document.createNode(value);
  if (pair === undefined) map.set(key, node);
  // A comment beside a value is the value's.
  else if (isScalar(pair.value) && isScalar(node)) pair.value.value = node.value;
  else pair.value = node;
}
