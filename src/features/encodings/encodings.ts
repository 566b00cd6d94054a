import { formatChoices, registry } from '../../core/component.js';
import type { Encoding } from '../feature.js';
import * as all from './all.js';

/** Every encoding by its name in the YAML. */
export const encodings = registry(all, 'name', all.ids.name);
export type EncodingSpec = Parameters<typeof encodings.build>[0];

/** An encoding in the YAML: a name with options, or a name alone. */
export const encodingOption = formatChoices(encodings.schema, encodings.names);

/** The encodings that take any text. */
export const textEncodings: readonly string[] = encodings.parts
  .filter(({ takesText }) => takesText)
  .map(({ name }) => name);

/** The options of a spec that speak of single fields: the path of each field's name below the encoding. */
export function listFieldKeys(spec: EncodingSpec): readonly (readonly [option: string, field: string])[] {
  return byFieldOf(spec).flatMap((option) =>
    Object.keys(spec[option as keyof EncodingSpec]).map((field) => [option, field] as const),
  );
}

/** An encoding for one field. */
export function buildEncoding(spec: EncodingSpec, field: string): Encoding {
  const inWords = (leftOut: readonly string[]): string => {
    const options = Object.entries(spec).filter(
      ([key, value]) => key !== 'name' && value !== undefined && !leftOut.includes(key),
    );
    return spec.name + options.map(([key, value]) => ` ${key} ${String(value)}`).join(',');
  };
  const byField = byFieldOf(spec);
  return {
    ...encodings.build(spec, field),
    encodedAs: inWords(byField),
    meaning: inWords([...byField, ...(encodings.partOf(spec).whileLearning ?? [])]),
  };
}

/**
 * What of an encoding a field has that looks into the table of another: all but the options by field, which are its
 * owner's.
 * @param raw as in the YAML, before it is parsed
 */
export function sharedEncoding(raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return raw;
  const name = 'name' in raw ? raw.name : all.ids.name;
  const byField: readonly string[] = encodings.parts.find((part) => part.name === name)?.byField ?? [];
  return Object.fromEntries(Object.entries(raw).filter(([option]) => !byField.includes(option)));
}

function byFieldOf(spec: EncodingSpec): readonly string[] {
  return encodings.partOf(spec).byField ?? [];
}
