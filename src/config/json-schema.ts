import { z } from 'zod';
import { experimentSchema } from './experiment.js';

type JsonSchema = z.core.JSONSchema.JSONSchema;
type BaseSchema = z.core.JSONSchema.BaseSchema;

/** Minimum length, as JSON, of a schema that is stored once and referenced. */
const MIN_SHARED_CHARS = 80;
/** Keywords whose value is a map of schemas, a list of schemas, or a schema. */
const [MAPS, LISTS, SINGLE] = [
  ['properties', '$defs'],
  ['anyOf', 'oneOf', 'allOf', 'prefixItems'],
  ['items', 'additionalProperties', 'propertyNames', 'not'],
];

/** Returns the JSON Schema of config files in which each key has its whole schema. */
export function wholeJsonSchema(): BaseSchema {
  // The name defaults to that of the file.
  return z.toJSONSchema(experimentSchema.partial({ name: true }), { io: 'input' });
}

/** Returns the JSON Schema of config files, for editors. Validators accept it in their strict mode. */
export function jsonSchema(): object {
  return shareSchemas(makeStrict(wholeJsonSchema()));
}

/** Replaces lists of types, and formats, which validators in their strict mode reject. */
function makeStrict(schema: JsonSchema): JsonSchema {
  const mapped = mapSchemas(schema, makeStrict);
  if (typeof mapped === 'boolean') return mapped;
  const { type, format, ...others } = mapped as Omit<BaseSchema, 'type'> & { type?: unknown };
  if (Array.isArray(type))
    return { ...others, anyOf: type.map((each: NonNullable<BaseSchema['type']>) => ({ type: each })) };
  return format === 'uri' ? { type: 'string', pattern: '^[A-Za-z][A-Za-z0-9+.-]*:', ...others } : mapped;
}

/** Stores schemas that occur several times in `$defs`; descriptions and defaults remain where the schemas are used. */
function shareSchemas(root: BaseSchema): BaseSchema {
  const counts = new Map<string, number>();
  const count = (schema: JsonSchema): JsonSchema => {
    const key = keyOf(schema);
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return counts.get(key)! > 1 ? schema : mapSchemas(schema, count);
  };
  mapSchemas(root, count);
  const names = new Map<string, string>();
  const defs: Record<string, JsonSchema> = {};
  const share = (schema: JsonSchema, name: string): JsonSchema => {
    const key = keyOf(schema);
    if (typeof schema === 'boolean' || key.length < MIN_SHARED_CHARS || counts.get(key)! < 2)
      return mapSchemas(schema, share, name);
    const { description, default: value } = schema;
    if (!names.has(key)) {
      names.set(key, freeName(findConstant(schema) ?? name, new Set(names.values())));
      defs[names.get(key)!] = mapSchemas(JSON.parse(key) as BaseSchema, share, name);
    }
    return {
      $ref: `#/$defs/${names.get(key)}`,
      ...(description !== undefined && { description }),
      ...(value !== undefined && { default: value }),
    };
  };
  const { $defs, ...shared } = mapSchemas(root, share);
  return { ...shared, $defs: { ...$defs, ...defs } };
}

/** Returns the JSON of a schema without its description and default. */
function keyOf(schema: JsonSchema): string {
  return JSON.stringify({ ...schema, description: undefined, default: undefined });
}

/** Returns the name of the component that a schema describes, if any. */
function findConstant({ properties = {} }: BaseSchema): string | undefined {
  const constants = Object.values(properties).map((child) => (typeof child === 'boolean' ? undefined : child.const));
  return constants.find((constant) => typeof constant === 'string');
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  for (let i = 1; ; i++) {
    const free = i === 1 ? name : `${name}${i}`;
    if (!taken.has(free)) return free;
  }
}

/**
 * Replaces the schemas directly within a schema.
 * @param name of the schema; items and members of lists have it, too
 */
function mapSchemas(
  schema: JsonSchema,
  replace: (child: JsonSchema, name: string) => JsonSchema,
  name = 'config',
): JsonSchema {
  if (typeof schema === 'boolean') return schema;
  const entries = Object.entries(schema).map(([keyword, value]: [string, unknown]): [string, unknown] => {
    if (MAPS.includes(keyword)) {
      const map = Object.entries(value as Record<string, JsonSchema>);
      return [keyword, Object.fromEntries(map.map(([key, child]) => [key, replace(child, key)]))];
    }
    if (LISTS.includes(keyword)) return [keyword, (value as JsonSchema[]).map((child) => replace(child, name))];
    return [keyword, SINGLE.includes(keyword) ? replace(value as JsonSchema, name) : value];
  });
  return Object.fromEntries(entries);
}
