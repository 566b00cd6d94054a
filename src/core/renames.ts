/** A key or a value of an earlier version, and what replaces it; a list applies in order. */
export interface Rename {
  /** Path of the map or list that has the key; `*` stands for any one step, and `**` at the end for any number. */
  readonly map: string;
  /** `*`, as in `to`, for every key of the map or item of the list. */
  readonly from: string;
  readonly to: string;
  /** Old values, as JSON, and the new ones; other values stay. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** Replaces old names within a string value. */
  readonly text?: (value: string) => string;
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
  const found = renames.find(({ map, to, values, text }) => {
    const isKey = to === '*' || to === String(path.at(-1));
    return isKey && (values ?? text) !== undefined && matches(map, path.slice(0, -1));
  });
  return found && renamedValue(found, value);
}

/** Renames, in place, the keys and values of earlier versions in stored data. */
export function applyRenames(renames: readonly Rename[], stored: unknown): void {
  for (const rename of renames) {
    const { map, from, to } = rename;
    for (const holder of findMaps(stored, splitPath(map))) {
      if (from === to) {
        for (const key of from === '*' ? Object.keys(holder) : [from])
          if (Object.hasOwn(holder, key)) holder[key] = renamedValue(rename, holder[key]) ?? holder[key];
      } else if (Object.hasOwn(holder, from) && !Object.hasOwn(holder, to)) {
        replaceKey(holder, from, to, renamedValue(rename, holder[from]) ?? holder[from]);
      }
    }
  }
}

/** Returns the current path and value for a dotted path of an earlier version, such as `training.average.decay`. */
export function renameSetting(renames: readonly Rename[], path: string, value: unknown): readonly [string, unknown] {
  const steps = path.split('.');
  let below = steps.reduceRight((child: unknown, step) => ({ [step]: child }), structuredClone(value));
  applyRenames(renames, below);
  const renamed = steps.map(() => {
    const [[key, child]] = Object.entries(below as object) as [[string, unknown]];
    below = child;
    return key;
  });
  return [renamed.join('.'), below];
}

/** Renames the paths of settings, and their values; keeps the order. */
export function renameSettings(
  renames: readonly Rename[],
  settings: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).map(([path, value]) => renameSetting(renames, path, value)));
}

/** Returns a record with renamed keys, in the same order. */
export function renameKeys<Value>(
  record: Readonly<Record<string, Value>>,
  rename: (key: string) => string,
): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [rename(key), value]));
}

/** Replaces a key of a map and keeps the order, which `set` of a study and the columns of results depend on. */
function replaceKey(holder: Record<string, unknown>, from: string, to: string, value: unknown): void {
  const entries = Object.entries(holder);
  const at = entries.findIndex(([key]) => key === from);
  for (const [key] of entries.slice(at)) Reflect.deleteProperty(holder, key);
  holder[to] = value;
  for (const [key, other] of entries.slice(at + 1)) holder[key] = other;
}

function renamedValue({ values = {}, text }: Rename, value: unknown): unknown {
  if (text !== undefined && typeof value === 'string') return text(value) === value ? undefined : text(value);
  const json = JSON.stringify(value);
  return Object.hasOwn(values, json) ? values[json] : undefined;
}

const splitPath = (map: string): readonly string[] => (map === '' ? [] : map.split('.'));

function matches(map: string, path: readonly PropertyKey[]): boolean {
  const steps = splitPath(map);
  const isDeep = steps.at(-1) === '**';
  const fixed = isDeep ? steps.slice(0, -1) : steps;
  const isLong = isDeep ? path.length >= fixed.length : path.length === fixed.length;
  return isLong && fixed.every((step, i) => step === '*' || step === String(path[i]));
}

/** Every map or list at a path below a value. */
function findMaps(value: unknown, [step, ...others]: readonly string[]): readonly Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  if (step === undefined) return [value as Record<string, unknown>];
  if (step === '**')
    return [value as Record<string, unknown>, ...Object.values(value).flatMap((each) => findMaps(each, [step]))];
  const below: readonly unknown[] =
    step === '*' ? Object.values(value) : Object.hasOwn(value, step) ? [(value as Record<string, unknown>)[step]] : [];
  return below.flatMap((each) => findMaps(each, others));
}
