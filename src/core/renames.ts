/** A key or a value of an earlier version, and what replaces it; a list applies in order. */
export interface Rename {
  /** Path of the map that has the key; `*` stands for any one step. */
  readonly map: string;
  readonly from: string;
  readonly to: string;
  /** Old values, as JSON, and the new ones; other values stay. */
  readonly values?: Readonly<Record<string, unknown>>;
}

/**
 * Finds what replaces a key of an earlier version.
 * @param path of the map that has the key
 * @param value of the key
 * @returns the current key, and the current value if that is renamed too
 */
export function findRenamedKey(
  renames: readonly Rename[],
  path: readonly PropertyKey[],
  key: string,
  value: unknown,
): { readonly key: string; readonly value: unknown } | undefined {
  const found = renames.find(({ map, from, to }) => from === key && to !== key && matches(map, path));
  return found && { key: found.to, value: renamedValue(found, value) };
}

/**
 * Returns the current value for one of an earlier version, undefined if there is none.
 * @param path of the value
 */
export function findRenamedValue(renames: readonly Rename[], path: readonly PropertyKey[], value: unknown): unknown {
  const found = renames.find(({ map, to, values }) => {
    return to === String(path.at(-1)) && values !== undefined && matches(map, path.slice(0, -1));
  });
  return found && renamedValue(found, value);
}

/** Renames, in place, the keys and values of earlier versions in stored data. */
export function applyRenames(renames: readonly Rename[], stored: unknown): void {
  for (const rename of renames) {
    const { map, from, to } = rename;
    for (const holder of findMaps(stored, splitPath(map))) {
      if (!Object.hasOwn(holder, from) || (to !== from && Object.hasOwn(holder, to))) continue;
      const value = holder[from];
      if (to !== from) Reflect.deleteProperty(holder, from);
      holder[to] = renamedValue(rename, value) ?? value;
    }
  }
}

function renamedValue({ values = {} }: Rename, value: unknown): unknown {
  const json = JSON.stringify(value);
  return Object.hasOwn(values, json) ? values[json] : undefined;
}

const splitPath = (map: string): readonly string[] => (map === '' ? [] : map.split('.'));

function matches(map: string, path: readonly PropertyKey[]): boolean {
  const steps = splitPath(map);
  return steps.length === path.length && steps.every((step, i) => step === '*' || step === String(path[i]));
}

/** Every map at a path below a value. */
function findMaps(value: unknown, [step, ...others]: readonly string[]): readonly Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  if (step === undefined) return Array.isArray(value) ? [] : [value as Record<string, unknown>];
  const below: readonly unknown[] =
    step === '*' ? Object.values(value) : Object.hasOwn(value, step) ? [(value as Record<string, unknown>)[step]] : [];
  return below.flatMap((each) => findMaps(each, others));
}
