/** Where a key of an object leads. */
export interface KeyNode {
  /** The column that its value is; below 0 for none. */
  readonly column: number;
  /** By the keys of an object that is its value; undefined where nothing in it is read. */
  readonly children: ReadonlyMap<string, KeyNode> | undefined;
  /** The keys of the object that was read last, in their order, as bytes: the next one is likely to have the same. */
  readonly order: { readonly bytes: Buffer; readonly node: KeyNode }[];
}

/** A key that nobody reads. */
export const SKIPPED_KEY: KeyNode = { column: -1, children: undefined, order: [] };

/** Dots of a name that are tried in every way. */
const MAX_DOTS = 6;
/** Objects in objects whose keys are columns. */
const MAX_DEPTH = 1 + MAX_DOTS;

/** The ways to columns: `a.b` is the key b of the object a, or the key that is called so. */
export function keyTree(columns: readonly string[]): KeyNode {
  const root = newNode();
  for (const [c, name] of columns.entries()) for (const keys of waysTo(name.split('.'))) nodeAt(root, keys).column = c;
  return root;
}

interface GrowingNode extends KeyNode {
  column: number;
  children: Map<string, GrowingNode> | undefined;
}

const newNode = (): GrowingNode => ({ column: -1, children: undefined, order: [] });

function nodeAt(root: GrowingNode, keys: readonly string[]): GrowingNode {
  return keys.reduce((node, key) => {
    node.children ??= new Map();
    const found = node.children.get(key) ?? newNode();
    node.children.set(key, found);
    return found;
  }, root);
}

/** All ways to put parts together with dots again, as lists of keys. */
function waysTo(parts: readonly string[]): readonly (readonly string[])[] {
  if (parts.length > 1 + MAX_DOTS) return [[parts.join('.')]];
  return parts.flatMap((_, i) => {
    const first = parts.slice(0, i + 1).join('.');
    return i === parts.length - 1 ? [[first]] : waysTo(parts.slice(i + 1)).map((rest) => [first, ...rest]);
  });
}

/**
 * Adds the names of the columns of an object: its keys, and those of objects in it behind theirs and a dot.
 * @param line that it was parsed from, since objects have keys like 101 before others
 */
export function addNames(value: object, line: string, names: Set<string>, before = '', depth = 1): void {
  const placeOf = (key: string): number => line.indexOf(JSON.stringify(key));
  const entries = (Object.entries(value) as [string, unknown][]).map(([key, child]) => ({
    key,
    child,
    place: placeOf(key),
  }));
  for (const { key, child } of entries.sort((a, b) => a.place - b.place)) {
    const isObject = typeof child === 'object' && child !== null && !Array.isArray(child);
    if (isObject && depth < MAX_DEPTH) addNames(child, line, names, `${before}${key}.`, depth + 1);
    else names.add(before + key);
  }
}
