import { z } from 'zod';

/**
 * Returns the keys that a strict schema accepts at a path: the discriminator if a choice has no name yet, none if keys
 * are free.
 * @param data parsed data, which selects the members of choices
 */
export function schemaKeys(schema: z.core.$ZodType, path: readonly PropertyKey[], data: unknown): readonly string[] {
  const unwrappedSchema = unwrap(schema, data);
  const [step, ...remaining] = path;
  if (step === undefined && unwrappedSchema instanceof z.core.$ZodDiscriminatedUnion)
    return [unwrappedSchema._zod.def.discriminator];
  if (step === undefined)
    return unwrappedSchema instanceof z.core.$ZodObject ? Object.keys(unwrappedSchema._zod.def.shape) : [];
  const childData: unknown =
    typeof data === 'object' && data !== null ? (data as Record<PropertyKey, unknown>)[step] : undefined;
  const next = getChild(unwrappedSchema, step);
  return next === undefined ? [] : schemaKeys(next, remaining, childData);
}

function getChild(schema: z.core.$ZodType, step: PropertyKey): z.core.$ZodType | undefined {
  if (schema instanceof z.core.$ZodObject) return schema._zod.def.shape[String(step)];
  if (schema instanceof z.core.$ZodRecord) return schema._zod.def.valueType;
  if (schema instanceof z.core.$ZodArray) return schema._zod.def.element;
  return undefined;
}

/** Unwraps defaults, and choices down to the member that the data names. */
function unwrap(schema: z.core.$ZodType, data: unknown): z.core.$ZodType {
  if (
    schema instanceof z.core.$ZodDefault ||
    schema instanceof z.core.$ZodPrefault ||
    schema instanceof z.core.$ZodOptional
  ) {
    return unwrap(schema._zod.def.innerType, data);
  }
  if (schema instanceof z.core.$ZodLazy) return unwrap(schema._zod.def.getter(), data);
  if (schema instanceof z.core.$ZodDiscriminatedUnion) {
    const { options, discriminator } = schema._zod.def;
    const name: unknown =
      typeof data === 'object' && data !== null ? (data as Record<string, unknown>)[discriminator] : undefined;
    const member = options.find((option) => option._zod.propValues?.[discriminator]?.has(name as string));
    return member === undefined ? schema : unwrap(member, data);
  }
  if (schema instanceof z.core.$ZodUnion) {
    const members = schema._zod.def.options.map((option) => unwrap(option, data));
    return members.find((member) => member instanceof z.core.$ZodObject) ?? schema;
  }
  return schema;
}
