import { sharedEncoding } from '../features/encodings/encodings.js';
import { featureTypes } from '../features/feature-types.js';

/** Options that a field inherits from the owner of its table, unless it sets them. */
const INHERITED = ['width', 'encoding', 'fillMissing'] as const;

type RawMap = Readonly<Record<string, unknown>>;

/** A field in the raw config: its name, its own options, and the options of its group. */
interface RawField {
  readonly name: string;
  readonly own: RawMap;
  readonly group: RawMap;
}

/**
 * Fills in the names of groups that have one, and the inherited options of fields with a shared table, so that the
 * parsed config contains them.
 * @param raw config before parsing; values of the wrong form are left to the schema
 */
export function inheritTables(raw: object): object {
  const { features } = raw as RawMap;
  if (!isMap(features)) return raw;
  const fields = new Map(
    Object.values(features)
      .flatMap(listFields)
      .map((field) => [field.name, field]),
  );
  const filled = Object.entries(features).map(([name, group]) => [
    name,
    isMap(group) ? fillGroup(name, group, fields) : group,
  ]);
  return { ...raw, features: Object.fromEntries(filled) as unknown };
}

function fillGroup(name: string, given: RawMap, all: ReadonlyMap<string, RawField>): RawMap {
  const options = featureTypes.parts.find((part) => part.name === given['type'])?.options() ?? {};
  const group = 'name' in options && given['name'] === undefined ? { ...given, name } : given;
  const own = listFields(group);
  if (!('table' in options)) return group;
  const inherited = own.map((field) => listInherited(field, all, Object.keys(options)));
  const [first, ...others] = inherited;
  if (inherited.every((each) => Object.keys(each).length === 0)) return group;
  if (others.every((each) => JSON.stringify(each) === JSON.stringify(first))) return { ...group, ...first };
  const fields = (group['fields'] as readonly unknown[]).map((entry, i) =>
    Object.keys(inherited[i]!).length === 0 ? entry : { name: own[i]!.name, ...own[i]!.own, ...inherited[i] },
  );
  return { ...group, fields };
}

function listInherited(
  { name, own, group }: RawField,
  all: ReadonlyMap<string, RawField>,
  options: readonly string[],
): RawMap {
  const setting = own['table'] ?? group['table'];
  const table = isMap(setting) ? setting[name] : setting;
  const owner = isName(table) && String(table) !== name ? all.get(String(table)) : undefined;
  if (owner === undefined) return {};
  const missing = INHERITED.filter(
    (key) => options.includes(key) && own[key] === undefined && group[key] === undefined,
  );
  const values = missing.map((key) => {
    const value = owner.own[key] ?? owner.group[key];
    return [key, key === 'encoding' ? sharedEncoding(value) : value] as const;
  });
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

/** Returns the fields of a group, one per entry of its list. */
function listFields(group: unknown): readonly RawField[] {
  const list = isMap(group) ? group['fields'] : undefined;
  if (!isMap(group) || !Array.isArray(list)) return [];
  return list.map((entry: unknown) => {
    const own = isMap(entry) ? entry : {};
    const name = isMap(entry) ? entry['name'] : entry;
    return { name: isName(name) ? String(name) : '', own, group };
  });
}

const isName = (value: unknown): value is string | number => typeof value === 'string' || typeof value === 'number';
const isMap = (value: unknown): value is RawMap => typeof value === 'object' && value !== null && !Array.isArray(value);
