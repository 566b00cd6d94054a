import { z } from 'zod';
import { experimentSchema, type Experiment } from './experiment.js';

/** A value of a config that differs from its default. */
export interface Change {
  /** Path, such as `training.epochs`. */
  readonly key: string;
  readonly value: unknown;
  /** Default; undefined if there is none. */
  readonly byDefault: unknown;
}

/** Lists the values of a config that differ from their defaults, in key order; a list is one value. */
export function listChanges(experiment: Experiment): readonly Change[] {
  return [...changesIn(experimentSchema, experiment, [], undefined)];
}

function* changesIn(
  schema: z.core.$ZodType | undefined,
  value: unknown,
  path: readonly string[],
  byDefault: unknown,
): Generator<Change> {
  if (value === undefined || isSame(value, byDefault)) return;
  const members = schema && findMembers(schema, value, byDefault);
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isMap || Object.keys(value).length === 0) {
    if (!isSame(value, members?.byDefault)) yield { key: path.join('.'), value, byDefault: members?.byDefault };
    return;
  }
  const below = Object.entries(value).flatMap(([key, child]) => [
    ...changesIn(members?.getChild(key), child, [...path, key], getProperty(members?.byDefault, key)),
  ]);
  // An optional section is a change, even if all of its values are defaults.
  if (below.length === 0 && members?.byDefault === undefined)
    yield { key: path.join('.'), value, byDefault: undefined };
  yield* below;
}

/** Schemas of the keys below a value, and its default. */
interface Members {
  getChild(key: string): z.core.$ZodType | undefined;
  readonly byDefault: unknown;
}

/** Unwraps defaults and unions down to the member that applies to the value. */
function findMembers(schema: z.core.$ZodType, value: unknown, byDefault: unknown): Members {
  if (schema instanceof z.core.$ZodDefault || schema instanceof z.core.$ZodPrefault)
    return findMembers(schema._zod.def.innerType, value, byDefault ?? schema._zod.def.defaultValue);
  if (schema instanceof z.core.$ZodOptional || schema instanceof z.core.$ZodNullable)
    return findMembers(schema._zod.def.innerType, value, byDefault);
  if (schema instanceof z.core.$ZodLazy) return findMembers(schema._zod.def.getter(), value, byDefault);
  if (schema instanceof z.core.$ZodPipe) return findMembers(schema._zod.def.in, value, byDefault);
  if (schema instanceof z.core.$ZodUnion) {
    const fitting =
      schema instanceof z.core.$ZodDiscriminatedUnion
        ? namedMember(schema, value)
        : schema._zod.def.options.find((option) => fits(option, value));
    return fitting === undefined ? { getChild: () => undefined, byDefault } : findMembers(fitting, value, byDefault);
  }
  if (schema instanceof z.core.$ZodObject) return { getChild: (key) => schema._zod.def.shape[key], byDefault };
  if (schema instanceof z.core.$ZodRecord) return { getChild: () => schema._zod.def.valueType, byDefault };
  return { getChild: () => undefined, byDefault };
}

/**
 * Returns whether a value matches an option of a union. The name decides if there is one: parsing again would take as
 * long as the config.
 */
function fits(option: z.core.$ZodType, value: unknown): boolean {
  return option instanceof z.core.$ZodDiscriminatedUnion
    ? namedMember(option, value) !== undefined
    : z.safeParse(option, value, { jitless: true }).success;
}

/** Returns the member of a union that a parsed value names. */
function namedMember({ _zod: { def } }: z.core.$ZodDiscriminatedUnion, value: unknown): z.core.$ZodType | undefined {
  const name = getProperty(value, def.discriminator) as z.core.util.Primitive; // discriminator of the union
  return def.options.find((option) => option._zod.propValues?.[def.discriminator]?.has(name));
}

function getProperty(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
