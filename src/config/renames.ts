/** A key or a value of an earlier version, and what replaces it. */
interface Rename {
  /** Path of the map that has the key; `*` stands for any one step. */
  readonly map: string;
  readonly from: string;
  readonly to: string;
  /** Old values, as JSON, and the new ones; other values stay. */
  readonly values?: Readonly<Record<string, unknown>>;
}

/** In the order in which they apply: a rename below a map follows the rename of the map. */
const RENAMES: readonly Rename[] = [{ map: 'training', from: 'average', to: 'ema' }];

/**
 * Returns the current name of a key of an earlier version.
 * @param path of the map that has the key
 */
export function findRenamedKey(path: readonly PropertyKey[], key: string): string | undefined {
  return RENAMES.find(({ map, from, to }) => from === key && to !== key && matches(map, path))?.to;
}

/**
 * Returns the current name of a value of an earlier version.
 * @param path of the value
 */
export function findRenamedValue(path: readonly PropertyKey[], value: unknown): unknown {
  const renamed = RENAMES.find(({ map, to, values }) => {
    return to === String(path.at(-1)) && values !== undefined && matches(map, path.slice(0, -1));
  });
  const json = String(JSON.stringify(value));
  return renamed?.values !== undefined && Object.hasOwn(renamed.values, json) ? renamed.values[json] : undefined;
}

/** Renames, in place, the keys and values of earlier versions in the config of a stored run. */
export function migrateConfig(config: unknown): void {
  for (const { map, from, to, values = {} } of RENAMES) {
    for (const holder of findMaps(config, map === '' ? [] : map.split('.'))) {
      if (!Object.hasOwn(holder, from) || (to !== from && Object.hasOwn(holder, to))) continue;
      const value = holder[from];
      const json = String(JSON.stringify(value));
      if (to !== from) Reflect.deleteProperty(holder, from);
      holder[to] = Object.hasOwn(values, json) ? values[json] : value;
    }
  }
}

function matches(map: string, path: readonly PropertyKey[]): boolean {
  const steps = map === '' ? [] : map.split('.');
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
