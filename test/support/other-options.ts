import { z } from 'zod';

/** Parsed options with one change, and its path. */
export interface Changed {
  readonly path: string;
  readonly options: unknown;
}

/** Options of a component: the YAML keys and their types. */
interface HasOptions {
  options(): z.ZodRawShape;
}

/** User-chosen names by the option that refers to them: a feature group or a task. */
const NAMES: Readonly<Record<string, string>> = { input: 'user', parents: 'ctr', categories: 'ctr' };

const NUMBERS = [5, 0.3, 0.5, 2, 0];

/** The first number that a type accepts other than `value`. */
function otherNumber(schema: z.ZodType, value: unknown): number {
  const near = typeof value === 'number' && value !== 0 ? [value + 1, value / 2] : [];
  const found = [...near, ...NUMBERS].find((number) => number !== value && schema.safeParse(number).success);
  if (found === undefined) throw new Error(`no number is known that ${JSON.stringify(value)} may become`);
  return found;
}

/**
 * Builds options from the smallest input that a type accepts.
 * @param option key of the value
 */
function least(schema: z.ZodType, option: string): unknown {
  if (schema.safeParse(undefined).success) return schema.parse(undefined);
  if (schema instanceof z.ZodObject)
    return schema.parse(
      Object.fromEntries(
        Object.entries(schema.shape as z.ZodRawShape).map(([key, type]) => [key, least(type as z.ZodType, key)]),
      ),
    );
  if (schema instanceof z.ZodArray) return [least(schema.element as z.ZodType, option)];
  if (schema instanceof z.ZodEnum) return schema.options[0];
  if (schema instanceof z.ZodNumber) return otherNumber(schema, undefined);
  if (schema instanceof z.ZodString && NAMES[option] !== undefined) return NAMES[option];
  throw new Error(`no least value is known of a ${schema.type}`);
}

/** Names of the members of a registry's union. */
function namesIn(union: z.ZodDiscriminatedUnion): readonly unknown[] {
  return (union.options as z.ZodObject[]).flatMap((member) => {
    let type = member.shape[union.def.discriminator] as z.ZodType;
    while (type instanceof z.ZodDefault || type instanceof z.ZodOptional) type = type.unwrap() as z.ZodType;
    return [...(type as z.ZodLiteral).values];
  });
}

/** Lists every single change of `value`: numbers and switches, enum values, list items, record entries. */
function changes(schema: z.ZodType, value: unknown, key: string, option = ''): readonly Changed[] {
  const below = (at: string, type: z.ZodType, inner: unknown): readonly Changed[] =>
    changes(type, inner, key, schema instanceof z.ZodObject ? at : option).map(({ path, options }) => ({
      path: path === '' ? at : `${at}.${path}`,
      options: { ...(value as object), [at]: options },
    }));
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    const type = schema.unwrap() as z.ZodType;
    return value === undefined ? [{ path: '', options: least(type, option) }] : changes(type, value, key, option);
  }
  if (schema instanceof z.ZodObject)
    return Object.entries(schema.shape as z.ZodRawShape).flatMap(([at, type]) =>
      below(at, type as z.ZodType, (value as Record<string, unknown>)[at]),
    );
  if (schema instanceof z.ZodRecord) {
    const type = schema.valueType as z.ZodType;
    const entry = least(type, option);
    return [{ path: key, options: { [key]: entry } }, ...below(key, type, entry)];
  }
  // A longer list would require another name.
  if (schema instanceof z.ZodArray && schema.element instanceof z.ZodString) return [];
  if (schema instanceof z.ZodArray)
    return [{ path: '', options: [...(value as unknown[]), least(schema.element as z.ZodType, option)] }];
  if (schema instanceof z.ZodTuple)
    return (value as number[]).map((number, i) => ({
      path: String(i),
      options: (value as number[]).with(i, otherNumber(schema.def.items[i] as z.ZodType, number)),
    }));
  if (schema instanceof z.ZodDiscriminatedUnion) {
    // Each other component of a registry with default options; its own options are tested where it is the component.
    const own = (value as Record<string, unknown>)[schema.def.discriminator];
    return namesIn(schema)
      .filter((name) => name !== own)
      .map((name) => ({ path: String(name), options: schema.parse({ [schema.def.discriminator]: name }) }));
  }
  // A component whose name alone is shorthand for its defaults.
  if (schema instanceof z.ZodUnion) return changes(schema.options[0] as z.ZodType, value, key, option);
  if (schema instanceof z.ZodEnum)
    return schema.options.filter((word) => word !== value).map((word) => ({ path: '', options: word }));
  if (schema instanceof z.ZodBoolean) return [{ path: '', options: value !== true }];
  if (schema instanceof z.ZodNumber) return [{ path: '', options: otherNumber(schema, value) }];
  throw new Error(`no other value is known of a ${schema.type}; say here how to find one`);
}

/**
 * Lists a component's options with one change each, for every change that its schema allows.
 * @param options the component's options before: its defaults, say
 * @param key name of a new record entry, such as a task
 */
export function otherOptions(part: HasOptions, options: object, key: string): readonly Changed[] {
  return changes(z.strictObject(part.options()), options, key).map((changed) => ({
    ...changed,
    options: { ...options, ...(changed.options as object) },
  }));
}

/** Sets each option whose key is in `to`, at any depth. */
export function withOptions<Options>(
  options: Options,
  to: Readonly<Record<string, (value: unknown) => unknown>>,
): Options {
  const change = (value: unknown, key = ''): unknown => {
    if (Object.hasOwn(to, key)) return to[key]!(value);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, change(inner, name)]));
  };
  return change(options) as Options; // same keys as before
}
